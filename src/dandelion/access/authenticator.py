"""Turns credentials into callers; recently verified ones need no database query."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from dandelion.access import keys
from dandelion.access.caller import Caller
from dandelion.access.tokens import Claims, TokenVerifier
from dandelion.domain import ApiKey
from dandelion.errors import AuthenticationError, DatabaseError
from dandelion.settings import AccessSettings

MOST_REMEMBERED = 10_000
# A recently verified caller waits no longer than this for the database.
KNOWN_WAIT_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class _Seen:
    """The last verification of a credential; times are those of the monotonic clock."""

    found: ApiKey | Claims | None  # None if it was unknown
    at: float
    tried: float  # when verification was last tried, even without success

    @property
    def key(self) -> ApiKey | None:
        """The API key, if it was one."""
        return self.found if isinstance(self.found, ApiKey) else None


class Authenticator:
    """Identifies the caller of a credential.

    Args:
        settings: Which tokens to trust, and how long to cache a verification.
        find_key: Looks up an API key by its id; may raise `DatabaseError`.
    """

    def __init__(self, settings: AccessSettings, find_key: Callable[[str], Awaitable[ApiKey | None]]) -> None:
        self._settings = settings
        self._find_key = find_key
        self._tokens = TokenVerifier(settings)
        # By digest, so that a memory dump holds no credentials. The oldest go first: a flood of wrong keys costs
        # others at most a look-up.
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._queries: dict[str, asyncio.Task[ApiKey | None]] = {}

    async def identify(self, credential: str, address: str) -> Caller:
        """Return the caller of a credential.

        Raises:
            AuthenticationError: It is unknown, expired or revoked.
            DatabaseError: The database does not answer, and the key was not verified recently.
            NotReadyError: The keys of an identity provider cannot be fetched.
        """
        if credential.startswith(keys.PREFIX):
            return await self._by_key(credential, address)
        if not self._tokens.is_configured:
            raise AuthenticationError(
                "This is not an API key.", "Create one: dandelion keys create NAME --scope predict"
            )
        claims = await self._claims(credential)
        return Caller(f"jwt:{claims.subject}", claims.scopes, address)

    def remembers(self, credential: str) -> bool:
        """Whether the credential was valid when last verified; `identify` finds out if it was revoked since."""
        is_key = credential.startswith(keys.PREFIX)
        seen = self._seen.get((keys.id_of(credential) or "") if is_key else keys.digest_of(credential))
        found = None if seen is None else seen.found
        if isinstance(found, ApiKey):
            return keys.matches(credential, found) and not found.why_over(time.time())
        return found is not None and time.time() < found.expires_at

    async def _by_key(self, text: str, address: str) -> Caller:
        identity = keys.id_of(text)
        key = await self._key(identity) if identity else None
        if key is None or not keys.matches(text, key):
            raise AuthenticationError("There is no such API key.", "Check that it is complete: it has 80 characters.")
        if why := key.why_over(time.time()):
            raise AuthenticationError(f"The API key {key.name!r} {why}.", "Request a new one.")
        return Caller(f"key:{key.name}", frozenset(key.scopes), address)

    async def _key(self, identity: str) -> ApiKey | None:
        """Look up a key, cached for a while; a recently verified caller does not wait long for the database."""
        now, seen = time.monotonic(), self._seen.get(identity)
        if seen is not None and now - seen.at < self._settings.key_cache_seconds:
            return seen.key
        if seen is None or seen.key is None or now - seen.at >= self._settings.key_grace_seconds:
            return await asyncio.shield(self._query(identity))
        if identity in self._queries or now - seen.tried < self._settings.key_cache_seconds:
            return seen.key
        try:
            async with asyncio.timeout(KNOWN_WAIT_SECONDS):
                return await asyncio.shield(self._query(identity))
        except (TimeoutError, DatabaseError):
            return seen.key

    def _query(self, identity: str) -> asyncio.Task[ApiKey | None]:
        """Query the database, once for all who wait."""
        if (query := self._queries.get(identity)) is not None:
            return query

        async def find() -> ApiKey | None:
            try:
                found = await self._find_key(identity)
            except DatabaseError:
                if (seen := self._seen.get(identity)) is not None:
                    self._seen[identity] = replace(seen, tried=time.monotonic())
                raise
            finally:
                del self._queries[identity]
            self._remember(identity, found)
            return found

        self._queries[identity] = query = asyncio.create_task(find())
        query.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may wait for it any more
        return query

    async def _claims(self, token: str) -> Claims:
        digest = keys.digest_of(token)
        seen = self._seen.get(digest)
        if (
            seen is not None
            and isinstance(seen.found, Claims)
            and time.monotonic() - seen.at < self._settings.key_cache_seconds
            and time.time() < seen.found.expires_at
        ):
            return seen.found
        claims = await self._tokens.verify(token)
        self._remember(digest, claims)
        return claims

    def _remember(self, name: str, found: ApiKey | Claims | None) -> None:
        now = time.monotonic()
        self._seen[name] = _Seen(found, now, now)
        self._seen.move_to_end(name)
        if len(self._seen) > MOST_REMEMBERED:
            self._seen.popitem(last=False)
