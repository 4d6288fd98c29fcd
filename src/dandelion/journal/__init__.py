"""Predictions to disk first, then to the database; their photos to the data lake."""

from dandelion.journal.journal import Journal
from dandelion.journal.photos import Photos

__all__ = ["Journal", "Photos"]
