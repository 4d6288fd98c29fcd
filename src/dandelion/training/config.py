"""The configuration of a training run: the same configuration and photos make the same model."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dandelion.errors import TrainingError

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Augmentation of training photos, so that the model learns much from few photos.

    Attributes:
        min_area: Smallest share of a photo's area in a random crop.
        colour: Strength of brightness, contrast and saturation jitter.
        hue: Strength of hue jitter, as a share of the colour circle; small, since colour distinguishes flowers.
        trivial: Whether TrivialAugment (Mueller and Hutter 2021) is applied.
        erasing: Probability that a rectangle is erased.
        mixing: Share of batches that are mixed, half by mixup (Zhang et al. 2018), half by CutMix (Yun et al. 2019).
        mixup_alpha: Beta parameter of mixup.
        cutmix_alpha: Beta parameter of CutMix.
    """

    min_area: float = 0.3
    colour: float = 0.3
    hue: float = 0.0
    trivial: bool = False
    erasing: float = 0.1
    mixing: float = 0.4
    mixup_alpha: float = 0.2
    cutmix_alpha: float = 1.0


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """One training run.

    Attributes:
        architecture: timm model name.
        pretrained: `auto` uses the hub's weights if the hub is reachable, `off` starts from scratch, anything else is
            the path of a weights file.
        image_size: Side of the model's input, pixels.
        training_scale: Side of the random crops in training, as a share of `image_size`. Random crops show objects
            larger than serving does; smaller crops compensate for that (Touvron et al. 2019), at half the cost.
        epochs: Maximum number of passes over the training photos.
        batch_size: Photos in a step.
        learning_rate: Peak of the cosine schedule (Loshchilov and Hutter 2017), AdamW.
        features_rate: Share of it at which pretrained weights below the last layer learn (discriminative fine-tuning,
            Howard and Ruder 2018); weights from scratch learn at the full rate.
        warmup_epochs: Epochs of linear warm-up.
        weight_decay: Decoupled weight decay; not applied to biases and norms.
        label_smoothing: Share of the target that is spread over all classes.
        ema_decay: Decay in each step of the averaged weights, which are evaluated and exported.
        clip_norm: Maximum gradient norm.
        patience: Epochs without a better validation loss after which a run stops early.
        augmentation: How training photos are augmented.
        background: The class of a photo that shows none of the others, such as grass; empty if there is no such class.
            It decides which view of a panorama stands for the photo.
        seed: Seed of everything random.
        folds: Folds of cross-validation before the final fit; 0 means none.
        device: `auto` uses a GPU if there is one.
        compact: Leave the torch weights out of the package, which then runs only on OpenVINO.
    """

    architecture: str = "resnet10t"
    pretrained: str = "auto"
    image_size: int = 160
    training_scale: float = 0.8
    epochs: int = 130
    batch_size: int = 16
    learning_rate: float = 2e-3
    features_rate: float = 0.1
    warmup_epochs: int = 5
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    ema_decay: float = 0.99
    clip_norm: float = 1.0
    patience: int = 40
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)
    background: str = ""
    seed: int = 0
    folds: int = 0
    device: Device = "auto"
    compact: bool = False

    def __post_init__(self) -> None:
        for name, value, least in (
            ("epochs", self.epochs, 1),
            ("batch_size", self.batch_size, 2),
            ("image_size", self.image_size, 32),
            ("patience", self.patience, 1),
        ):
            if value < least:
                raise TrainingError(f"{name} is {value}.", f"Set it to at least {least}.")
        if self.folds == 1 or self.folds < 0:
            raise TrainingError(f"folds is {self.folds}.", "Set it to 0, or to 2 or more.")
        if self.pretrained not in {"auto", "off"} and not Path(self.pretrained).is_file():
            raise TrainingError(
                f"The weights file {self.pretrained} does not exist.",
                "Give the path of a weights file, `auto` or `off`.",
            )

    @property
    def training_size(self) -> int:
        """Side of the random crops in training, pixels; a multiple of 32, the stride of common networks."""
        return max(32, round(self.image_size * self.training_scale / 32) * 32)

    def as_params(self) -> dict[str, str]:
        """The configuration as flat text, for tracking and for comparison with a checkpoint."""
        flat: dict[str, str] = {}
        for name, value in dataclasses.asdict(self).items():
            if isinstance(value, dict):
                flat.update({f"{name}.{key}": str(inner) for key, inner in value.items()})
            else:
                flat[name] = str(value)
        return flat
