"""Create the timm model that a training run starts from."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
from torch import nn

from dandelion.domain import InputSpec
from dandelion.errors import TrainingError, UnknownModelError
from dandelion.training.config import TrainingConfig

SCRATCH = "from scratch"

# By default the hub's client waits ten seconds for each of many tries. A machine without network should fail fast.
os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", "5")
os.environ.setdefault("HF_HUB_DOWNLOAD_TIMEOUT", "15")


@dataclass(frozen=True, slots=True)
class Start:
    """The model that a run starts from: on the CPU, and the same for the same seed.

    Attributes:
        weights: Where its weights came from, in words.
        pretrained: Whether the weights are pretrained, so that they learn at a lower rate.
    """

    classifier: nn.Module
    weights: str
    pretrained: bool


def create_classifier(config: TrainingConfig, classes: int) -> Start:
    """Create a model with a new last layer for `classes` classes.

    Raises:
        UnknownModelError: timm has no such model; the error names the nearest ones.
        TrainingError: The weights file does not fit the model.
    """
    _check_architecture(config.architecture)
    torch.manual_seed(config.seed)
    if config.pretrained not in {"auto", "off"}:
        start = _from_file(config, classes)
    elif config.pretrained == "auto" and timm.get_pretrained_cfg(config.architecture, allow_unregistered=False):
        start = _from_hub(config, classes)
    else:
        start = Start(timm.create_model(config.architecture, num_classes=classes), SCRATCH, pretrained=False)
    _calm_last_layer(start.classifier)
    return start


def input_spec(config: TrainingConfig) -> InputSpec:
    """The model's input; photos are normalised as the architecture's published weights expect."""
    _check_architecture(config.architecture)
    published = timm.get_pretrained_cfg(config.architecture)
    side = config.image_size
    if published is None:
        return InputSpec(side, side)
    return InputSpec(side, side, mean=tuple(published.mean), std=tuple(published.std))


def _check_architecture(name: str) -> None:
    if timm.is_model(name.split(".", maxsplit=1)[0]):
        return
    nearest = difflib.get_close_matches(name, timm.list_models(), n=5, cutoff=0.4)
    remedy = f"The nearest names: {', '.join(nearest)}." if nearest else "List all names with timm.list_models()."
    raise UnknownModelError(f"timm has no model {name!r}.", remedy)


def last_layer(model: nn.Module) -> nn.Module:
    """The layer that turns an embedding into logits; the only layer that is specific to a task."""
    layer: nn.Module = model.get_classifier()  # type: ignore[operator]
    return layer


def _calm_last_layer(model: nn.Module) -> None:
    """Start with equal probabilities: with few classes, the initial logits of some architectures are too large."""
    for layer in last_layer(model).modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.normal_(layer.weight, std=0.01)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _from_hub(config: TrainingConfig, classes: int) -> Start:
    try:
        model = timm.create_model(config.architecture, pretrained=True, num_classes=classes)
    except Exception as error:  # noqa: BLE001 -- the hub's client raises what its transport raises
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        reason = f"{SCRATCH} (the hub did not respond: {type(error).__name__}: {first[:120]})"
        torch.manual_seed(config.seed)
        return Start(timm.create_model(config.architecture, num_classes=classes), reason, pretrained=False)
    return Start(model, "weights from the hub", pretrained=True)


def _from_file(config: TrainingConfig, classes: int) -> Start:
    """Load all layers but the last from the file; timm's own loader would ignore weights that do not fit."""
    path = Path(config.pretrained)
    model = timm.create_model(config.architecture, num_classes=classes)
    try:
        given = timm.models.load_state_dict(str(path))
    except Exception as error:
        raise TrainingError(
            f"The weights {path} cannot be read ({str(error).strip().splitlines()[0]}).",
            "Give a readable .safetensors or .pth file.",
        ) from error
    own = model.state_dict()
    if not given.keys() & own.keys() and len(given) == len(own):
        given = dict(zip(own, given.values(), strict=True))  # same layers, in order, under another library's names
    fitting = {name: value for name, value in given.items() if name in own and value.shape == own[name].shape}
    last = model.default_cfg["classifier"]
    missing = [name for name in own if name not in fitting and not name.startswith(last)]
    if missing:
        raise TrainingError(
            f"The weights {path} do not fit {config.architecture}: {len(missing)} of its {len(own)} tensors are "
            f"missing or have another shape, for example {missing[0]}.",
            f"Give weights of the timm model {config.architecture}.",
        )
    model.load_state_dict(fitting, strict=False)
    return Start(model, f"weights from {path.name}", pretrained=True)
