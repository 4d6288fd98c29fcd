"""One message a run, to people: what happened, why, and what to do, through whatever Apprise reaches."""

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
    """What people are told.

    Attributes:
        outcome: How it ended; decides whether anybody is told.
        title: In a few words.
        body: Why.
        action: What somebody could do now; may be empty.
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
    """Tell everybody; return what came of it. A notice that does not arrive is logged and fails no run."""
    if notice.outcome not in options.on:
        return f"Nobody asked to be told of {notice.outcome!r}."
    if not options.urls:
        return "Nobody to tell: DANDELION_NOTIFY__URLS is empty."
    import apprise

    reached = 0
    for secret in options.urls:
        where = apprise.Apprise()
        # Each by itself, so that one that fails is known; its address is a secret, its kind is not.
        kind = secret.get_secret_value().partition(":")[0]
        known = where.add(secret.get_secret_value())
        told = known and where.notify(title=notice.title, body=notice.text, notify_type=_KINDS[notice.outcome])
        if told:
            reached += 1
        else:
            why = "no address of a service that Apprise knows" if not known else "the service did not take it"
            log.error("notice_not_sent", kind=kind, reason=why, title=notice.title)
    return f"Told {reached} of {len(options.urls)}: {notice.title}"
