"""Settings: the web page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from dandelion.settings.section import TRUSTED_PROXIES, Port, Proxy, Section


class UiSettings(Section):
    """The web page."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(7860, description="Port to listen on.")
    api_url: str | None = Field(
        None,
        pattern=r"^https?://[^?#@]+$",
        description="Where the API answers, `http://api:8000`; none means the one that runs beside it.",
    )
    pods_url: str | None = Field(
        None,
        pattern=r"^https?://[^?#@]+$",
        description="Where `/metrics` answers: every address behind the name is one serving process, whose figures are "
        "added up; none means the API's, or the monitoring port of one that runs beside it.",
    )
    timeout_seconds: Annotated[float, Field(gt=0)] = Field(20.0, description="Longest wait for one answer of the API.")
    max_uploads_bytes: Annotated[int, Field(ge=1024 * 1024)] = Field(
        512 * 1024**2,
        description="Most that the photos of all visitors may take in the temporary folder; each is deleted after two "
        "hours.",
    )
    session_hours: Annotated[float, Field(gt=0)] = Field(
        12.0, description="Who does nothing for so long must sign in again."
    )
    examples: Path | None = Field(
        None, description="Folder of photos that the page offers to try; none offers drawn ones."
    )
    trusted_proxies: tuple[Proxy, ...] = Field((), description=TRUSTED_PROXIES)
