"""Settings: the HTTP API."""

from __future__ import annotations

from pydantic import Field

from dandelion.http.addresses import url_of
from dandelion.settings.section import (
    KEEP_ALIVE,
    ROOT_PATH,
    TRUST_PREFIX,
    TRUSTED_PROXIES,
    Port,
    Prefix,
    Proxy,
    Section,
)


class ApiSettings(Section):
    """The HTTP API."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(8000, description="Port to listen on.")
    max_upload_bytes: int = Field(
        32 * 1024 * 1024, ge=1024, description="Maximum size of a request body, bytes; a larger one gets 413."
    )
    max_bodies_bytes: int = Field(
        256 * 1024 * 1024,
        ge=1024,
        description="Maximum memory for the bodies of all concurrent requests, bytes; a request beyond it gets 503 "
        "with Retry-After.",
    )
    max_photo_pixels: int = Field(
        64_000_000,
        ge=1,
        description="Maximum size of a photo, pixels, checked before decoding; half for WebP, AVIF and TIFF.",
    )
    max_files: int = Field(64, ge=1, description="Maximum number of photos in one request.")
    body_timeout_seconds: float = Field(
        20.0, gt=0, description="Maximum time for a client to send a body; a slower one gets 408."
    )
    drain_seconds: float = Field(
        0.0,
        ge=0,
        description="How long to continue serving after SIGTERM while not ready, so that load balancers notice.",
    )
    cors_origins: tuple[str, ...] = Field((), description="Origins whose pages may call the API; `*` means any.")
    monitoring_port: Port | None = Field(
        None, description="Separate port of `/livez`, `/readyz`, `/health` and `/metrics`; none means the API's port."
    )
    trusted_proxies: tuple[Proxy, ...] = Field((), description=TRUSTED_PROXIES)
    trust_forwarded_prefix: bool = Field(False, description=TRUST_PREFIX)
    root_path: Prefix | None = Field(None, description=ROOT_PATH)
    keep_alive_seconds: int = Field(620, ge=1, description=KEEP_ALIVE)
    hsts_seconds: int = Field(
        0, ge=0, description="How long browsers must use HTTPS only; for servers behind TLS. 0 sends no such header."
    )
    track: str = Field("stable", pattern=r"^[a-z0-9-]{1,32}$", description="Release track named in the metrics.")

    @property
    def url(self) -> str:
        """The API's address on this machine."""
        return url_of(self.host, self.port)

    @property
    def monitoring_url(self) -> str:
        """The address of `/livez`, `/readyz`, `/health` and `/metrics` on this machine."""
        return url_of(self.host, self.monitoring_port or self.port)
