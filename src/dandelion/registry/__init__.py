"""MLflow: which versions there are, which one serves, and their packages."""

from dandelion.registry.cache import recall_alias, remember_alias
from dandelion.registry.registry import (
    CHALLENGER,
    CHAMPION,
    FILE,
    PREVIOUS,
    Registry,
    artifacts_uri,
    create_registry,
    embedded_url,
    is_new,
    tracking_uri,
    would_be_made,
)

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "FILE",
    "PREVIOUS",
    "Registry",
    "artifacts_uri",
    "create_registry",
    "embedded_url",
    "is_new",
    "recall_alias",
    "remember_alias",
    "tracking_uri",
    "would_be_made",
]
