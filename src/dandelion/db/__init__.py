"""Tables and queries: predictions, feedback, API keys, releases, audit log."""

from dandelion.db.engine import create_engine, transact

__all__ = ["create_engine", "transact"]
