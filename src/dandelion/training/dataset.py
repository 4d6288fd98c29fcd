"""Photos as tensors: augmented for training, prepared exactly as in serving for everything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from dandelion.domain import InputSpec
from dandelion.domain.arrays import Floats, Pixels
from dandelion.imaging.prepare import Choose
from dandelion.training.config import Augmentation
from dandelion.training.reading import augmented_side, decode_file, measure_files, prepare_files

# Decoded photos are cached up to this size; the rest is decoded again in each epoch.
CACHE_BYTES = 2 * 1024**3


class PhotoSet:
    """Photos of one split with their class indices.

    Attributes:
        paths: The files, in a fixed order.
        targets: Class indices, int64 [N].
    """

    def __init__(self, paths: Sequence[Path], targets: Sequence[int], spec: InputSpec) -> None:
        self.paths = tuple(paths)
        self.targets = torch.tensor(list(targets), dtype=torch.int64)
        self._spec = spec
        self._decoded: dict[int, Tensor] = {}
        self._decoded_bytes = 0

    def __len__(self) -> int:
        return len(self.paths)

    def decoded(self, index: int) -> Tensor:
        """Photo `index`, uint8 RGB [3, H, W]; a large photo shrinks to a short side of 1.5 times the input or more.

        Raises:
            DataError: The file is gone or can no longer be read.
        """
        if (known := self._decoded.get(index)) is not None:
            return known
        array = decode_file(self.paths[index], self._spec)
        photo = torch.from_numpy(np.ascontiguousarray(array)).permute(2, 0, 1)
        side = augmented_side(self._spec)
        if (short := min(photo.shape[1:])) > 2 * side:
            rows, columns = (round(n * side / short) for n in photo.shape[1:])
            photo = v2.functional.resize(photo, [rows, columns], antialias=True)
        if self._decoded_bytes + photo.numel() <= CACHE_BYTES:
            self._decoded[index] = photo
            self._decoded_bytes += photo.numel()
        return photo

    def sizes(self) -> Floats:
        """The size of every photo by `measure_size`, float32 [N].

        Raises:
            DataError: A file is gone or can no longer be read.
        """
        return measure_files(self.paths)

    def served(self, choose: Choose | None = None) -> Pixels:
        """Every photo as serving prepares it, uint8 RGB [N, H, W, 3]; of a panorama, its middle without `choose`.

        Raises:
            DataError: A file is gone or can no longer be read.
        """
        return prepare_files(self.paths, self._spec, choose)


def create_transform(spec: InputSpec, augmentation: Augmentation) -> v2.Transform:
    """Create the augmentation: uint8 RGB [3, H, W] of any size to normalised float32 [3, spec.height, spec.width]."""
    steps: list[torch.nn.Module] = [
        v2.RandomResizedCrop(
            (spec.height, spec.width),
            scale=(augmentation.min_area, 1.0),
            interpolation=InterpolationMode.BILINEAR,
            antialias=True,
        ),
        v2.RandomHorizontalFlip(),
    ]
    if augmentation.trivial:
        steps.append(v2.TrivialAugmentWide(interpolation=InterpolationMode.BILINEAR))
    if augmentation.colour or augmentation.hue:
        strength = augmentation.colour
        steps.append(v2.ColorJitter(strength, strength, strength, augmentation.hue))
    steps += [v2.ToDtype(torch.float32, scale=True), v2.Normalize(list(spec.mean), list(spec.std))]
    if augmentation.erasing:
        steps.append(v2.RandomErasing(p=augmentation.erasing, scale=(0.02, 0.25)))
    return v2.Compose(steps)


def training_batches(
    photos: PhotoSet, transform: v2.Transform, augmentation: Augmentation, classes: int, batch_size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch in random order: inputs float32 [B, 3, H, W] and soft targets float32 [B, K].

    Randomness comes from torch's global generator, so seeding it reproduces an epoch. A last batch of one photo is
    left out, because batch statistics need two photos.
    """
    mixers = [
        v2.MixUp(alpha=augmentation.mixup_alpha, num_classes=classes),
        v2.CutMix(alpha=augmentation.cutmix_alpha, num_classes=classes),
    ]
    order = torch.randperm(len(photos)).tolist()
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        if len(chosen) < 2:
            return
        inputs = torch.stack([transform(photos.decoded(index)) for index in chosen])
        targets = photos.targets[chosen]
        draw = float(torch.rand(()))
        if draw < augmentation.mixing:
            inputs, soft = mixers[int(draw < augmentation.mixing / 2)](inputs, targets)
        else:
            soft = torch.nn.functional.one_hot(targets, classes).to(torch.float32)
        yield inputs, soft
