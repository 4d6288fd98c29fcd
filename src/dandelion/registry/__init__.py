"""MLflow: which versions there are, which one serves, and their packages."""

from dandelion.registry.cache import recall_alias, remember_alias
from dandelion.registry.registry import PREVIOUS, Registry, create_registry, tracking_uri

__all__ = ["PREVIOUS", "Registry", "create_registry", "recall_alias", "remember_alias", "tracking_uri"]
