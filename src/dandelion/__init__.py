"""Dandelion: a self-hosted image classifier that watches, retrains and releases itself."""

__version__ = "0.1.0"
