"""Rate limits over a sliding window, counted in each process on its own."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict, deque
from dataclasses import dataclass

from dandelion.access.caller import Caller
from dandelion.errors import RateLimitedError
from dandelion.settings import AccessSettings

WINDOW_SECONDS = 60
MOST_NAMES = 10_000
_IPV6_PREFIX = 64  # what one customer is given


@dataclass(frozen=True, slots=True)
class RateLimitStatus:
    """A caller's rate limit, and what is left of it.

    Attributes:
        limit: Maximum requests per window.
        remaining: Requests left in the window.
        reset_seconds: Time until one more request is allowed, seconds.
    """

    limit: int
    remaining: int
    reset_seconds: int


class Window:
    """The tries of each name in the last 60 seconds, exact over clock minutes.

    Only the event loop uses it, so it needs no lock.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        # The latest name is at the end, so the names to forget are in front. A try too many pushes out its oldest.
        self._tries: OrderedDict[str, deque[float]] = OrderedDict()

    def count(self, name: str) -> RateLimitStatus:
        """Add a try."""
        self._tries.setdefault(name, deque(maxlen=self.limit)).append(time.monotonic())
        self._tries.move_to_end(name)
        if len(self._tries) > MOST_NAMES:  # a flood of addresses must not fill the memory
            self._tries.popitem(last=False)
        return self.status(name)

    def status(self, name: str) -> RateLimitStatus:
        """The rate limit of a name; with none remaining, one more try is too many."""
        now = time.monotonic()
        while self._tries and next(iter(self._tries.values()))[-1] <= now - WINDOW_SECONDS:
            self._tries.popitem(last=False)
        tries = self._tries.get(name, deque())
        while tries and tries[0] <= now - WINDOW_SECONDS:
            tries.popleft()
        oldest = tries[0] if tries else now
        return RateLimitStatus(self.limit, self.limit - len(tries), max(1, math.ceil(oldest + WINDOW_SECONDS - now)))


class RateLimiter:
    """Counts requests per key, requests per anonymous address, and failed sign-ins per address."""

    def __init__(self, settings: AccessSettings) -> None:
        # Three windows, so that a flood in one pushes nothing out of the others.
        self._keys = Window(settings.requests_per_key)
        self._addresses = Window(settings.requests_per_address)
        self._failures = Window(settings.failed_sign_ins_per_address)

    def count(self, caller: Caller) -> RateLimitStatus | None:
        """Count one request; returns None if no limit is set.

        Raises:
            RateLimitedError: It is one too many, and is not counted.
        """
        window = self._keys if caller.is_known else self._addresses
        if not window.limit:
            return None
        name = caller.name if caller.is_known else _network(caller.address)
        what = f"{caller.client} sent more than {window.limit} requests in a minute."
        _check(window, name, what, "Send fewer, or raise DANDELION_ACCESS__REQUESTS_PER_KEY or __REQUESTS_PER_ADDRESS.")
        return window.count(name)

    def check_sign_in(self, address: str) -> None:
        """Check that an address may try to sign in.

        Raises:
            RateLimitedError: It failed too often.
        """
        if self._failures.limit:
            what = f"{address} failed to sign in more than {self._failures.limit} times in a minute."
            _check(self._failures, _network(address), what, "Check the key, and try again in a minute.")

    def count_failed_sign_in(self, address: str) -> None:
        """Count one failed sign-in."""
        if self._failures.limit:
            self._failures.count(_network(address))


def _check(window: Window, name: str, what: str, remedy: str) -> None:
    status = window.status(name)
    if not status.remaining:
        raise RateLimitedError(what, remedy, status=status)


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped  # how a dual-stack socket writes an IPv4 address
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network(f"{found}/{_IPV6_PREFIX}", strict=False))
