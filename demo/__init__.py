"""What `make demo` runs: the collector, the WWMAA backend, stand-ins for the outside world, and traffic."""
