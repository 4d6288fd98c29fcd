"""Real servers for the tests, started on loopback in temporary folders."""
