"""The timm model that a run starts from."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import timm
import torch
from torch import nn

from dandelion.errors import TrainingError, UnknownModelError
from dandelion.training.config import TrainingConfig

SCRATCH = "from scratch"

# The hub's own defaults wait ten seconds for each of many tries; a machine without network should hear of it at once.
os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", "5")
os.environ.setdefault("HF_HUB_DOWNLOAD_TIMEOUT", "15")


def create_classifier(config: TrainingConfig, classes: int) -> tuple[nn.Module, str]:
    """A fresh model, the same for the same seed, and where its weights came from, in words.

    Raises:
        UnknownModelError: timm has no such model; the nearest names are given.
        TrainingError: The weights file does not fit the model.
    """
    check_architecture(config.architecture)
    torch.manual_seed(config.seed)
    if config.pretrained not in {"auto", "off"}:
        return _from_file(config, classes)
    if config.pretrained == "auto" and timm.get_pretrained_cfg(config.architecture, allow_unregistered=False):
        try:
            return timm.create_model(config.architecture, pretrained=True, num_classes=classes), "weights from the hub"
        except Exception as error:  # noqa: BLE001 -- the hub's client raises what its transport raises
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            reason = f"{SCRATCH} (the hub did not answer: {type(error).__name__}: {first[:120]})"
            torch.manual_seed(config.seed)
            return timm.create_model(config.architecture, num_classes=classes), reason
    return timm.create_model(config.architecture, num_classes=classes), SCRATCH


def check_architecture(name: str) -> None:
    """Make sure that timm knows `name`.

    Raises:
        UnknownModelError: It does not; the nearest names are given.
    """
    if timm.is_model(name.split(".", maxsplit=1)[0]):
        return
    nearest = difflib.get_close_matches(name, timm.list_models(), n=5, cutoff=0.4)
    remedy = f"The nearest names: {', '.join(nearest)}." if nearest else "timm.list_models() lists all of them."
    raise UnknownModelError(f"timm has no model {name!r}.", remedy)


def _from_file(config: TrainingConfig, classes: int) -> tuple[nn.Module, str]:
    """Everything but the last layer from the file; timm's own loader would pass over weights that do not fit."""
    path = Path(config.pretrained)
    model = timm.create_model(config.architecture, num_classes=classes)
    try:
        given = timm.models.load_state_dict(str(path))
    except Exception as error:
        raise TrainingError(
            f"The weights {path} cannot be read ({str(error).strip().splitlines()[0]}).",
            "Give a .safetensors or .pth file.",
        ) from error
    own = model.state_dict()
    fitting = {name: value for name, value in given.items() if name in own and value.shape == own[name].shape}
    last = model.default_cfg["classifier"]
    missing = [name for name in own if name not in fitting and not name.startswith(last)]
    if missing:
        raise TrainingError(
            f"The weights {path} do not fit {config.architecture}: {len(missing)} of its {len(own)} tensors are "
            f"missing or of another shape, {missing[0]} for one.",
            "Give the weights of that timm model.",
        )
    model.load_state_dict(fitting, strict=False)
    return model, f"weights from {path.name}"
