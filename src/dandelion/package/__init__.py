"""The model package: the folder that training hands to serving."""

from dandelion.package.calibration import softmax
from dandelion.package.manifest import Manifest
from dandelion.package.reference import Neighbours, Reference
from dandelion.package.store import ModelPackage, digest_of, open_package, seal_package

__all__ = [
    "Manifest",
    "ModelPackage",
    "Neighbours",
    "Reference",
    "digest_of",
    "open_package",
    "seal_package",
    "softmax",
]
