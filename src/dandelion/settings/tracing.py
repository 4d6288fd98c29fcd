"""Settings: where traces go."""

from __future__ import annotations

from pydantic import Field

from dandelion.settings.section import Section, Share, Url


class TracingSettings(Section):
    """Where traces go."""

    url: Url | None = Field(
        None, description="OTLP over HTTP, `http://collector:4318/v1/traces`; none means no traces."
    )
    share: Share = Field(0.1, description="Share of requests to trace, unless the caller has decided.")
