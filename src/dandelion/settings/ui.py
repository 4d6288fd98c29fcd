"""Settings: the web page."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

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


class UiSettings(Section):
    """The web page."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(7860, description="Port to listen on.")
    api_url: str | None = Field(
        None,
        pattern=r"^https?://[^?#@]+$",
        description="Address of the API, `http://api:8000`; none means the one on this machine.",
    )
    pods_url: str | None = Field(
        None,
        pattern=r"^https?://[^?#@]+$",
        description="URL whose host name resolves to every serving process; the web page sums their `/metrics`. None "
        "means the API's address, or the monitoring port of one on this machine.",
    )
    timeout_seconds: float = Field(20.0, gt=0, description="Maximum wait for a response of the API.")
    max_uploads_bytes: int = Field(
        512 * 1024**2,
        ge=1024 * 1024,
        description="Maximum size of all visitors' photos in the temporary folder, bytes; each photo is deleted after "
        "two hours.",
    )
    session_hours: float = Field(12.0, gt=0, description="How long an idle visitor stays signed in.")
    examples: Path | None = Field(
        None, description="Folder of sample photos on the web page; none means generated ones."
    )
    trusted_proxies: tuple[Proxy, ...] = Field((), description=TRUSTED_PROXIES)
    trust_forwarded_prefix: bool = Field(False, description=TRUST_PREFIX)
    root_path: Prefix | None = Field(None, description=ROOT_PATH)
    keep_alive_seconds: int = Field(620, ge=1, description=KEEP_ALIVE)
