"""The journal: predictions and photos on local disk first, then shipped to the database and the object store."""

from dandelion.journal.journal import Journal, ship_left
from dandelion.journal.photos import Photos

__all__ = ["Journal", "Photos", "ship_left"]
