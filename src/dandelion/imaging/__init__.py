"""Photos decoded to the model's input, cleaned of metadata, and measured."""

from dandelion.imaging.clean import CleanPhoto, clean
from dandelion.imaging.decode import decode, probe
from dandelion.imaging.prepare import prepare, resize_and_crop

__all__ = ["CleanPhoto", "clean", "decode", "prepare", "probe", "resize_and_crop"]
