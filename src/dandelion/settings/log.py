"""Settings: what is logged, and how."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dandelion.settings.section import Section


class LogSettings(Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Minimum severity to log.")
    format: Literal["auto", "json", "text"] = Field(
        "auto", description="`json` for machines, `text` for people; `auto` means `text` on a terminal, else `json`."
    )
    access: bool = Field(False, description="Log every request, not only failed ones.")
