"""Alembic's entry; `dandelion.db.migrate` holds the work."""

from __future__ import annotations

from alembic import context

from dandelion.db.migrate import run_migrations

run_migrations(context)
