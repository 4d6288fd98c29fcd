"""Creating the object stores that the settings name."""

from __future__ import annotations

from collections.abc import Mapping

from dandelion.errors import SettingsError
from dandelion.objects.folder import FolderStore
from dandelion.objects.store import ObjectStore
from dandelion.settings import S3Settings, Settings


def create_store(settings: Settings) -> ObjectStore:
    """The S3 server that the settings name, else a folder under the home folder. It does not connect yet.

    Raises:
        SettingsError: The address is invalid, or its keys are missing.
    """
    options = settings.objects
    if options.url is None:
        return FolderStore(settings.home / "objects")
    return _s3(options, "OBJECTS", options.retention(), create=options.create_buckets)


def create_mirror(settings: Settings) -> ObjectStore:
    """The second S3 server that the settings name. It does not connect yet.

    Raises:
        SettingsError: The settings name no second server, or its keys are missing.
    """
    if settings.mirror.url is None:
        raise SettingsError("There is no mirror to copy to.", "Set DANDELION_MIRROR__URL to a second S3 server.")
    return _s3(settings.mirror, "MIRROR", {}, create=True)


def _s3(options: S3Settings, section: str, retention: Mapping[str, int], *, create: bool) -> ObjectStore:
    if not options.workload_identity and (options.access_key is None or options.secret_key is None):
        raise SettingsError(
            f"The keys for {options.url} are missing.",
            f"Set DANDELION_{section}__ACCESS_KEY and DANDELION_{section}__SECRET_KEY, or "
            f"DANDELION_{section}__WORKLOAD_IDENTITY=true where the cloud gives credentials.",
        )
    from dandelion.objects.s3 import S3Store

    return S3Store(options, retention, create=create)
