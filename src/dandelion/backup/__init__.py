"""Backups: dumps, copies at a second place, MySQL's binary logs, and restores."""
