"""Threads and background tasks of a process."""
