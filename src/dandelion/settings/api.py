"""Settings: the HTTP face."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dandelion.http.addresses import url_of
from dandelion.settings.section import TRUSTED_PROXIES, Port, Proxy, Section


class ApiSettings(Section):
    """The HTTP face."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(8000, description="Port to listen on.")
    max_upload_bytes: Annotated[int, Field(ge=1024)] = Field(
        32 * 1024 * 1024, description="Largest request body, bytes; larger ones get 413."
    )
    max_bodies_bytes: Annotated[int, Field(ge=1024)] = Field(
        256 * 1024 * 1024,
        description="What the bodies of all requests at a time may take in memory; one that finds no room gets 503 "
        "with Retry-After.",
    )
    max_photo_pixels: Annotated[int, Field(ge=1)] = Field(
        64_000_000,
        description="Largest photo, pixels, read from its header before anything is decoded; WebP and AVIF half of it.",
    )
    max_files: Annotated[int, Field(ge=1)] = Field(64, description="Most photos in one request.")
    body_timeout_seconds: Annotated[float, Field(gt=0)] = Field(
        20.0, description="Longest time that a client may take to send a body; slower ones get 408."
    )
    drain_seconds: Annotated[float, Field(ge=0)] = Field(
        0.0,
        description="After SIGTERM: how long to go on answering while not ready, so that balancers notice.",
    )
    cors_origins: tuple[str, ...] = Field((), description="Origins that pages may call from; `*` means any.")
    monitoring_port: Port | None = Field(
        None, description="Port of `/livez`, `/readyz`, `/health` and `/metrics` alone; none leaves them on the other."
    )
    trusted_proxies: tuple[Proxy, ...] = Field((), description=TRUSTED_PROXIES)
    hsts_seconds: Annotated[int, Field(ge=0)] = Field(
        0, description="Tell browsers to use HTTPS only, for so long; for servers behind TLS."
    )
    track: str = Field("stable", pattern=r"^[a-z0-9-]{1,32}$", description="Release track named in the metrics.")

    @property
    def url(self) -> str:
        """Where it answers on this machine."""
        return url_of(self.host, self.port)

    @property
    def monitoring_url(self) -> str:
        """Where `/livez`, `/readyz`, `/health` and `/metrics` answer on this machine."""
        return url_of(self.host, self.monitoring_port or self.port)
