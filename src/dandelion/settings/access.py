"""Settings: who may use the API, and how often. Keys are made by `dandelion keys create`."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from dandelion.domain import AccessScope
from dandelion.settings.section import Section

_JwtSecret = Annotated[SecretStr, Field(min_length=32)]


class AccessSettings(Section):
    """Who may use the API, and how often. Keys are made by `dandelion keys create`."""

    enabled: bool = Field(False, description="Ask for an API key or a token.")
    anonymous_scopes: tuple[AccessScope, ...] = Field(
        (), description="What those may do who send neither: `predict`, `feedback`, `read`, `admin`."
    )
    key_cache_seconds: Annotated[float, Field(ge=0, le=300)] = Field(
        10.0, description="How long a key or token that was checked is believed: a revocation takes as long."
    )
    key_grace_seconds: Annotated[float, Field(ge=0)] = Field(
        900.0, description="How long a key that was seen goes on to work while the database is down."
    )
    jwt_secrets: Annotated[tuple[_JwtSecret, ...], Field(max_length=2)] = Field(
        (), description="One or, while you change them, two secrets of HS256 tokens, 32 bytes or longer."
    )
    jwks_url: str | None = Field(
        None, pattern=r"^https?://", description="Where an identity provider publishes its keys for RS256 and ES256."
    )
    jwks_cooldown_seconds: Annotated[float, Field(ge=0)] = Field(
        5.0,
        description="Unknown key names make us fetch the keys again, but no more often than this, nor where it failed.",
    )
    jwt_audience: str | None = Field(None, description="Audience that tokens must be made for.")
    jwt_issuer: str | None = Field(None, description="Issuer that tokens must come from.")
    jwt_leeway_seconds: Annotated[float, Field(ge=0, le=300)] = Field(10.0, description="How far clocks may differ.")
    requests_per_key: Annotated[int, Field(ge=0)] = Field(
        0, description="Most requests a minute of one key or token, in each process; 0 sets no limit."
    )
    requests_per_address: Annotated[int, Field(ge=0)] = Field(
        0, description="Most requests a minute of one address without a key or token; 0 sets no limit."
    )
    failed_sign_ins_per_address: Annotated[int, Field(ge=0)] = Field(
        60, description="Most wrong keys or tokens a minute from one address; 0 sets no limit."
    )

    @model_validator(mode="after")
    def _tokens_are_for_us(self) -> Self:
        if self.jwks_url is not None and self.jwt_audience is None:
            raise ValueError("jwks_url needs jwt_audience, else tokens made for other programs are taken; set it")
        return self
