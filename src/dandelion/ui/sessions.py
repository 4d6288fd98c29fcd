"""Sessions of signed-in visitors: keys stay in this process's memory, browsers hold a random session name."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

COOKIE = "dandelion_session"
MAX_SESSIONS = 10_000


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in visitor: their key or token, their name in the API, and the time of their last request."""

    key: str = field(repr=False)  # it must not be logged
    name: str
    seen_at: float


class Sessions:
    """Sessions by name; when there are too many, the longest unused ones are closed.

    Args:
        hours: Unused sessions expire after this time.
        clock: Monotonic, in seconds.
    """

    def __init__(self, hours: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = hours * 3600
        self._clock = clock
        self._open: OrderedDict[str, Session] = OrderedDict()

    def open(self, key: str, name: str) -> str:
        """Open a session for a valid key; return its name."""
        cookie = secrets.token_urlsafe(32)
        self._open[cookie] = Session(key, name, self._clock())
        while len(self._open) > MAX_SESSIONS:
            self._open.popitem(last=False)
        return cookie

    def find(self, cookies: Mapping[str, str]) -> Session | None:
        """Return the session that the cookies name, unless it has expired."""
        cookie = cookies.get(COOKIE, "")
        found = self._open.pop(cookie, None)
        if found is None or self._clock() - found.seen_at > self._seconds:
            return None
        self._open[cookie] = Session(found.key, found.name, self._clock())
        return self._open[cookie]

    def close(self, cookies: Mapping[str, str]) -> None:
        """Close the session and delete its key."""
        self._open.pop(cookies.get(COOKIE, ""), None)
