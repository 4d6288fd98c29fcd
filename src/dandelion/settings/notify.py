"""Settings: who is notified of what a run did."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from dandelion.settings.section import Section

NotifyOutcome = Literal["promoted", "rejected", "stopped", "skipped", "failed", "rolled_back", "backup_failed"]


class NotifySettings(Section):
    """Who is notified of what a run did."""

    urls: tuple[SecretStr, ...] = Field(
        (), description='Apprise addresses: `["slack://...", "mailto://...", "jsons://host/hook"]`.'
    )
    on: tuple[NotifyOutcome, ...] = Field(
        ("promoted", "rejected", "stopped", "failed", "rolled_back", "backup_failed"),
        description="Outcomes to send a notification for; `skipped` is a run that had nothing to do.",
    )
