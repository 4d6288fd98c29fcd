"""Dandelion: a self-hosted image classifier that monitors, retrains and releases itself."""

__version__ = "0.1.0"
