"""Notify people once a run, through Apprise: what happened, why, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from dandelion.settings import NotifyOutcome, NotifySettings

_KINDS = {
    "promoted": "success",
    "rejected": "info",
    "stopped": "warning",
    "skipped": "info",
    "failed": "failure",
    "rolled_back": "failure",
    "backup_failed": "failure",
}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification.

    Attributes:
        outcome: How the run ended; decides whether anybody is notified.
        title: What happened, in a few words.
        body: Why it happened.
        action: What the reader can do now; may be empty.
        links: Name to address.
    """

    outcome: NotifyOutcome
    title: str
    body: str
    action: str = ""
    links: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The whole message below its title."""
        parts = [self.body, self.action, "\n".join(f"{name}: {address}" for name, address in self.links.items())]
        return "\n\n".join(part for part in parts if part)


def send(notice: Notice, options: NotifySettings) -> str:
    """Notify everybody; return a summary. A notice that cannot be sent is logged and does not fail the run."""
    if notice.outcome not in options.on:
        return f"Nobody was notified: DANDELION_NOTIFY__ON does not list {notice.outcome!r}."
    if not options.urls:
        return "Nobody was notified: DANDELION_NOTIFY__URLS is empty."
    import apprise

    reached = 0
    for secret in options.urls:
        where = apprise.Apprise()
        # Each address on its own, so that a failure can be attributed. The address is a secret, its kind is not.
        kind = secret.get_secret_value().partition(":")[0]
        known = where.add(secret.get_secret_value())
        sent = known and where.notify(title=notice.title, body=notice.text, notify_type=_KINDS[notice.outcome])
        if sent:
            reached += 1
        else:
            why = "Apprise does not know such an address" if not known else "the service did not accept it"
            log.error("notice_not_sent", kind=kind, reason=why, title=notice.title)
    return f"Notified {reached} of {len(options.urls)}: {notice.title}"
