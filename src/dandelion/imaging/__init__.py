"""Photos decoded to the model's input, cleaned of metadata, and measured."""

from dandelion.imaging.clean import CleanPhoto, clean, shrink
from dandelion.imaging.decode import decode, probe
from dandelion.imaging.prepare import PreparedPhoto, prepare

__all__ = ["CleanPhoto", "PreparedPhoto", "clean", "decode", "prepare", "probe", "shrink"]
