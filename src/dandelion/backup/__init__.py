"""Backups: dumps, copies at a second place, binary logs, and how each is brought back."""
