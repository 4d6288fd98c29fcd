"""Prometheus instruments, structured logs and traces."""
