"""Commands record what they do in the audit log, with the name of who ran them."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from typing import Any

from dandelion.cli.database import in_transaction
from dandelion.cli.output import console
from dandelion.concurrency.patience import REQUEST_PATIENCE_SECONDS
from dandelion.errors import DatabaseError, SettingsError


def actor() -> str:
    """Who runs this command: the user name, or the user id if it has no name, as in many containers."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return f"cli:uid {os.getuid()}"


def record(action: str, subject: str, detail: Mapping[str, Any], *, tables: bool = True) -> None:
    """Record an action; if the database cannot be reached, print a warning and continue, so that a rollback works."""
    from dandelion.db import audit

    try:
        in_transaction(
            lambda on: audit.record(on, actor=actor(), action=action, subject=subject, detail=detail),
            tables=tables,
            patience_seconds=REQUEST_PATIENCE_SECONDS,
        )
    except (DatabaseError, SettingsError) as error:
        console(error=True).print(f"Not in the audit log: {error.message}", style="yellow")
