"""Settings: where traces go."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dandelion.settings.section import Section


class TracingSettings(Section):
    """Where traces go."""

    url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="OTLP over HTTP, `http://collector:4318/v1/traces`; none means no traces.",
    )
    share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description="Share of requests to trace, unless the caller has decided."
    )
