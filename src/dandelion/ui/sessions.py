"""Who is signed in: keys stay in this process's memory, browsers hold a random name for theirs."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

COOKIE = "dandelion_session"
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who signed in.

    Attributes:
        key: API key or token.
        name: Whom the API takes them for.
        seen_at: When they last did something, by the clock.
    """

    key: str
    name: str
    seen_at: float

    def __repr__(self) -> str:
        return f"Session({self.name!r})"  # the key goes into no log


class Sessions:
    """Sessions by name; the longest unused go first when there are too many.

    Args:
        hours: A session that is not used for so long is over.
        clock: Seconds, rising.
    """

    def __init__(self, hours: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = hours * 3600
        self._clock = clock
        self._open: OrderedDict[str, Session] = OrderedDict()

    def open(self, key: str, name: str) -> str:
        """A session for somebody whose key the API knows; return its name."""
        cookie = secrets.token_urlsafe(32)
        self._open[cookie] = Session(key, name, self._clock())
        while len(self._open) > MOST:
            self._open.popitem(last=False)
        return cookie

    def find(self, cookies: Mapping[str, str]) -> Session | None:
        """The session that a browser's cookies name, if it is not over."""
        cookie = cookies.get(COOKIE, "")
        found = self._open.pop(cookie, None)
        if found is None or self._clock() - found.seen_at > self._seconds:
            return None
        self._open[cookie] = Session(found.key, found.name, self._clock())
        return self._open[cookie]

    def close(self, cookies: Mapping[str, str]) -> None:
        """Forget the key."""
        self._open.pop(cookies.get(COOKIE, ""), None)
