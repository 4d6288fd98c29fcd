"""Predictions to disk first, then to the database."""

from dandelion.journal.journal import Journal

__all__ = ["Journal"]
