"""How often somebody may ask, in a window that slides; counted in each process on its own."""

from __future__ import annotations

import ipaddress
import math
import time
from dataclasses import dataclass

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from dandelion.access.caller import Caller
from dandelion.errors import RateLimitedError
from dandelion.settings import AccessSettings

WINDOW_SECONDS = 60
_IPV6_PREFIX = 64  # what one customer is given


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a caller stands in its window.

    Attributes:
        limit: Requests a window.
        remaining: How many are left.
        reset_seconds: Until the next is back.
    """

    limit: int
    remaining: int
    reset_seconds: int


class RateLimiter:
    """Counts requests a key, a nameless address, and failed sign-ins an address."""

    def __init__(self, settings: AccessSettings) -> None:
        # Exact: the counter of two fixed windows lets one more pass where a minute of the clock begins.
        self._windows = MovingWindowRateLimiter(MemoryStorage())
        self._per_key = _item(settings.requests_per_key)
        self._per_address = _item(settings.requests_per_address)
        self._failures = _item(settings.failed_sign_ins_per_address)

    def count(self, caller: Caller) -> Standing | None:
        """Count one request; None where no limit is set.

        Raises:
            RateLimitedError: It is one too many.
        """
        item = self._per_key if caller.is_known else self._per_address
        if item is None:
            return None
        who = ("caller", caller.name if caller.is_known else _network(caller.address))
        allowed = self._windows.hit(item, *who)
        standing = self._standing(item, who)
        if not allowed:
            raise _too_many(f"{caller.client} sent more than {item.amount} requests in a minute.", standing)
        return standing

    def check_sign_in(self, address: str) -> None:
        """Let an address try, unless it failed too often.

        Raises:
            RateLimitedError: It did.
        """
        if self._failures is not None and not self._windows.test(self._failures, "failed", _network(address)):
            standing = self._standing(self._failures, ("failed", _network(address)))
            raise _too_many(
                f"{address} failed to sign in more than {self._failures.amount} times in a minute.", standing
            )

    def count_failed_sign_in(self, address: str) -> None:
        """Remember a failure."""
        if self._failures is not None:
            self._windows.hit(self._failures, "failed", _network(address))

    def _standing(self, item: RateLimitItemPerMinute, who: tuple[str, str]) -> Standing:
        reset_at, remaining = self._windows.get_window_stats(item, *who)
        return Standing(item.amount, remaining, max(1, math.ceil(reset_at - time.time())))


def _item(limit: int) -> RateLimitItemPerMinute | None:
    return RateLimitItemPerMinute(limit) if limit else None


def _too_many(what: str, standing: Standing) -> RateLimitedError:
    return RateLimitedError(
        what, "Send fewer, or raise DANDELION_ACCESS__REQUESTS_PER_KEY or __REQUESTS_PER_ADDRESS.", standing=standing
    )


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped  # what a socket for both calls a caller of the older kind
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network(f"{found}/{_IPV6_PREFIX}", strict=False))
