"""What commands do goes into the audit log, under the name of who typed them."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from typing import Any

from dandelion.cli.database import with_engine
from dandelion.cli.output import console
from dandelion.errors import DatabaseError, SettingsError

PATIENCE_SECONDS = 2.0


def actor() -> str:
    """Who runs this command: by name, or by number where the machine knows no name, as in many a container."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return f"cli:uid {os.getuid()}"


def record(action: str, subject: str, detail: Mapping[str, Any], *, tables: bool = True) -> None:
    """Write down what was done; a database that cannot be reached is said and stops nobody from rolling back.

    Args:
        action: What.
        subject: To what.
        detail: How it went.
        tables: Bring the tables up to date before.
    """
    from dandelion.db import audit, transact

    try:
        with_engine(
            lambda engine: transact(
                engine,
                lambda on: audit.record(on, actor=actor(), action=action, subject=subject, detail=detail),
                patience_seconds=PATIENCE_SECONDS,
            ),
            tables=tables,
        )
    except (DatabaseError, SettingsError) as error:
        console(error=True).print(f"Not in the audit log: {error.message}", style="yellow")
