"""Settings: where backups' copies go."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from dandelion.settings.section import Section


class BackupSettings(Section):
    """Where copies of the objects go."""

    folder: Path | None = Field(
        None,
        description="Folder for copies of the objects if no mirror is set, preferably on another disk. None means "
        "`backups` under the home folder for an embedded store, and no copies for an S3 server.",
    )
