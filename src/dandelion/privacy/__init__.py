"""What is kept of the people who send photos, and how it is forgotten."""

from dandelion.privacy.clients import ClientHasher
from dandelion.privacy.erase import Erased, erase_client, erase_prediction

__all__ = ["ClientHasher", "Erased", "erase_client", "erase_prediction"]
