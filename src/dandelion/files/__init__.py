"""Atomic file replacement, and HTML from templates."""
