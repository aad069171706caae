"""One script for each question; each prints a table, and the docs quote it. `make bench`, or `make bench ARGS=scrub`."""
