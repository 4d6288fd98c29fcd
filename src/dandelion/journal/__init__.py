"""Predictions to disk first, then to the database; their photos to the data lake."""

from dandelion.journal.journal import Journal, ship_left
from dandelion.journal.photos import Photos

__all__ = ["Journal", "Photos", "ship_left"]
