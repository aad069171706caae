"""One file for each page: what it may see, how that is read, what its buttons do."""
