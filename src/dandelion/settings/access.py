"""Settings: who may use the API, and how often. `dandelion keys create` creates keys."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from dandelion.domain import AccessScope
from dandelion.settings.section import Section, Url

_JwtSecret = Annotated[SecretStr, Field(min_length=32)]


class AccessSettings(Section):
    """Who may use the API, and how often. `dandelion keys create` creates keys."""

    enabled: bool = Field(False, description="Require an API key or a token.")
    anonymous_scopes: tuple[AccessScope, ...] = Field(
        (), description="Scopes of callers without a key or token: `predict`, `feedback`, `read`, `admin`."
    )
    key_cache_seconds: float = Field(
        10.0,
        ge=0,
        le=300,
        description="How long a verified key or token stays cached; a revocation takes effect within this time.",
    )
    key_grace_seconds: float = Field(
        900.0, ge=0, description="How long a verified key still works while the database is down."
    )
    jwt_secrets: tuple[_JwtSecret, ...] = Field(
        (), max_length=2, description="Secret of HS256 tokens, or two while you rotate them; each has 32 bytes or more."
    )
    jwks_url: Url | None = Field(None, description="Address of an identity provider's public keys for RS256 and ES256.")
    jwks_cooldown_seconds: float = Field(
        5.0,
        ge=0,
        description="Minimum time before the public keys are fetched again, after an unknown key id or a failed fetch.",
    )
    jwt_audience: str | None = Field(None, description="Audience that tokens must name.")
    jwt_issuer: str | None = Field(None, description="Issuer that tokens must name.")
    jwt_leeway_seconds: float = Field(10.0, ge=0, le=300, description="Allowed clock difference.")
    requests_per_key: int = Field(
        0, ge=0, description="Maximum requests per minute for one key or token, in each process; 0 means no limit."
    )
    requests_per_address: int = Field(
        0, ge=0, description="Maximum requests per minute from one address without a key or token; 0 means no limit."
    )
    failed_sign_ins_per_address: int = Field(
        60, ge=0, description="Maximum wrong keys or tokens per minute from one address; 0 means no limit."
    )

    @model_validator(mode="after")
    def _tokens_are_for_us(self) -> Self:
        if self.jwks_url is not None and self.jwt_audience is None:
            raise ValueError("jwks_url needs jwt_audience, else tokens for other programs are accepted; set it")
        return self
