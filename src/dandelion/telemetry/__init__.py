"""Prometheus instruments and structured logs."""
