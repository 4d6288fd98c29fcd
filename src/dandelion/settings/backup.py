"""Settings: where backups' copies go."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from dandelion.settings.section import Section


class BackupSettings(Section):
    """Where backups' copies go."""

    folder: Path | None = Field(
        None,
        description="Second place of objects, where no mirror is set: a folder, better on another disk. For an "
        "embedded store none means `backups` under the home folder; for an S3 server it means no copies.",
    )
