"""Daily backup: a dump of the database, verified by a restore; a copy of the objects; settings without secrets."""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger, runtime
from prefect.client.schemas.objects import State
from prefect.states import Completed


@flow(name="backup")
def backup() -> State[Any]:
    """Dump the database, restore it into a scratch database, compare the two, and copy the objects."""
    from dandelion.backup.backup import create_backup
    from dandelion.retraining.notice import Notice, send
    from dandelion.settings import load_settings

    settings, log = load_settings(), get_run_logger()
    try:
        done = create_backup(settings, log.info)
    except Exception as error:
        notice = Notice(
            outcome="backup_failed",
            title=f"{settings.model.name}: a backup failed",
            body=str(error),
            action="Fix the cause, then run: dandelion backup create",
            links={"Run": str(runtime.flow_run.ui_url)},
        )
        log.info(send(notice, settings.notify))
        raise
    return Completed(message=done.message)
