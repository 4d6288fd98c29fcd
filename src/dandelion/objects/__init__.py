"""The object store, S3 or a folder: photos, dataset versions, backups."""

from dandelion.objects.create import create_mirror, create_store
from dandelion.objects.photo import TYPES as PHOTO_TYPES
from dandelion.objects.photo import frozen_key, photo_key
from dandelion.objects.retention import expire_periodically
from dandelion.objects.store import BACKUPS, BUCKETS, DATA_LAKE, MLFLOW, PROCESSED, ObjectStore

__all__ = [
    "BACKUPS",
    "BUCKETS",
    "DATA_LAKE",
    "MLFLOW",
    "PHOTO_TYPES",
    "PROCESSED",
    "ObjectStore",
    "create_mirror",
    "create_store",
    "expire_periodically",
    "frozen_key",
    "photo_key",
]
