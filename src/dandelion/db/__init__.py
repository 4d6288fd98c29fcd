"""What is kept in tables: predictions, feedback, keys, releases, and who did what."""

from dandelion.db.engine import create_engine, transact

__all__ = ["create_engine", "transact"]
