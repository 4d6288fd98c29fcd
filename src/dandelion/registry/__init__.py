"""Model versions and aliases in MLflow, and the cache of model packages."""

from dandelion.registry.cache import recall_alias, remember_alias
from dandelion.registry.registry import (
    FILE,
    Registry,
    artifacts_uri,
    create_registry,
    embedded_url,
    is_new,
    tracking_uri,
    would_be_created,
)

__all__ = [
    "FILE",
    "Registry",
    "artifacts_uri",
    "create_registry",
    "embedded_url",
    "is_new",
    "recall_alias",
    "remember_alias",
    "tracking_uri",
    "would_be_created",
]
