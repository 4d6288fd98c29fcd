"""Keyed hashes of clients, and erasures of their photos."""

from dandelion.privacy.clients import ClientHasher
from dandelion.privacy.erase import Erased, erase_client, erase_prediction

__all__ = ["ClientHasher", "Erased", "erase_client", "erase_prediction"]
