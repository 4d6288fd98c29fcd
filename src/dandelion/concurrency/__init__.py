"""Executors and background tasks of a process."""
