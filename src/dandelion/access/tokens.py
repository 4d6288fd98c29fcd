"""JSON Web Tokens, signed with a shared secret or with an identity provider's key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import jwt

from dandelion.access.jwks import PublishedKeys
from dandelion.domain import AccessScope
from dandelion.errors import AuthenticationError, SettingsError
from dandelion.settings import AccessSettings

# The source of the key decides the algorithm, never the token: else a published key could pass for a secret.
SHARED = ("HS256",)
PUBLISHED = ("RS256", "ES256")
_SCOPES = frozenset(get_args(AccessScope))


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a token with a valid signature.

    Attributes:
        subject: Who it was issued to.
        scopes: Scopes of the subject; unknown ones are left out.
        expires_at: Seconds since the epoch.
    """

    subject: str
    scopes: frozenset[AccessScope]
    expires_at: float


class TokenVerifier:
    """Checks signature, time, audience and issuer against the settings."""

    def __init__(self, settings: AccessSettings) -> None:
        self._settings = settings
        self._secrets = [secret.get_secret_value() for secret in settings.jwt_secrets]
        self._published = (
            PublishedKeys(settings.jwks_url, settings.jwks_cooldown_seconds) if settings.jwks_url else None
        )

    @property
    def is_configured(self) -> bool:
        """Whether the settings trust any tokens."""
        return bool(self._secrets or self._published)

    async def verify(self, token: str) -> Claims:
        """Verify a token and return its claims.

        Raises:
            AuthenticationError: It is not valid, or has expired.
            NotReadyError: The published keys cannot be fetched.
        """
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise _refused("it is not a token") from error
        algorithm = header.get("alg")
        if self._secrets and algorithm in SHARED:
            return self._decode(token, self._secrets, SHARED)
        if self._published and algorithm in PUBLISHED:
            key = await self._published.find(header.get("kid", ""))
            if key is None:
                raise _refused("no published key signed it")
            return self._decode(token, [key], PUBLISHED)
        raise _refused(f"algorithm {str(algorithm)[:20]!r} is not accepted")

    def _decode(self, token: str, keys: Sequence[Any], algorithms: tuple[str, ...]) -> Claims:
        options = self._settings
        for key in keys:
            try:
                claims = jwt.decode(
                    token,
                    key,
                    algorithms=list(algorithms),
                    audience=options.jwt_audience,
                    issuer=options.jwt_issuer,
                    leeway=options.jwt_leeway_seconds,
                    options={"require": ["exp", "sub"], "verify_aud": options.jwt_audience is not None},
                )
            except jwt.InvalidSignatureError:
                continue  # it may be the other secret's
            except (jwt.InvalidTokenError, jwt.InvalidKeyError) as error:
                raise _refused(str(error)[:100].rstrip(".").lower()) from error
            expires_at = float(claims["exp"]) + options.jwt_leeway_seconds
            return Claims(str(claims["sub"])[:80], _scopes_in(claims), expires_at)
        raise AuthenticationError("The token is refused: its signature is wrong.")


def sign_token(settings: AccessSettings, subject: str, scopes: Sequence[AccessScope], lasting: timedelta) -> str:
    """Create a token, signed with the first of the shared secrets.

    Raises:
        SettingsError: No secret is set.
    """
    if not settings.jwt_secrets:
        raise SettingsError("There is no secret to sign with.", "Set DANDELION_ACCESS__JWT_SECRETS.")
    claims: dict[str, Any] = {"sub": subject, "scope": " ".join(scopes), "exp": datetime.now(UTC) + lasting}
    if settings.jwt_audience:
        claims["aud"] = settings.jwt_audience
    if settings.jwt_issuer:
        claims["iss"] = settings.jwt_issuer
    return jwt.encode(claims, settings.jwt_secrets[0].get_secret_value(), algorithm=SHARED[0])


def _refused(why: str) -> AuthenticationError:
    return AuthenticationError(f"The token is refused: {why}.", "Request a new one from its issuer.")


def _scopes_in(claims: dict[str, Any]) -> frozenset[AccessScope]:
    """Scopes from OAuth's `scope` (words), or from the lists that some providers send as `scp` or `scopes`."""
    found: list[Any] = []
    for name in ("scope", "scp", "scopes"):
        match claims.get(name):
            case str(words):
                found += words.split()
            case list(words):
                found += words
    return frozenset(scope for scope in _SCOPES if scope in found)
