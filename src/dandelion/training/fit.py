"""Fit a network to photos: AdamW, cosine schedule, averaged weights, early stopping, a checkpoint after each epoch.

Each epoch seeds torch's generators with the run's seed and its own number. So a run on the CPU repeats bit for bit
(with the same number of threads), and a resumed run continues exactly as the uninterrupted one would have.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from dandelion.domain import InputSpec
from dandelion.domain.arrays import Floats, Pixels
from dandelion.errors import TrainingError
from dandelion.package.network import Network
from dandelion.training.architecture import Start, last_layer
from dandelion.training.checkpoint import Checkpoint, Epoch, load_checkpoint, save_checkpoint
from dandelion.training.config import TrainingConfig
from dandelion.training.dataset import PhotoSet, create_transform, training_batches

EVALUATION_BATCH = 32


def fit(
    start: Start,
    train: PhotoSet,
    validation: PhotoSet | None,
    *,
    classes: int,
    spec: InputSpec,
    config: TrainingConfig,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> list[Epoch]:
    """Train the classifier in place and leave in it the averaged weights of the best epoch.

    With validation photos, the best epoch is the one with the lowest validation loss, and the run stops early when
    `config.patience` epochs bring no improvement. Without validation photos, the best epoch is the last one.

    After each epoch, the file `checkpoint` is replaced, if given, then `on_epoch` is called. With `resume`, the run
    resumes from `checkpoint` if it exists.

    Raises:
        DataError: A photo vanished.
        TrainingError: The loss is no longer a number, or the checkpoint cannot be written or is from another run.
    """
    run = _Run(start, classes=classes, spec=spec, config=config, photos=len(train))
    state = Checkpoint()
    if checkpoint and resume and (found := load_checkpoint(checkpoint, config)):
        state, training_state = found
        run.load_state_dict(training_state)
    held_out = validation.served() if validation else None
    for number in range(len(state.history) + 1, config.epochs + 1):
        if held_out is not None and number - state.best_epoch > config.patience and state.best_epoch:
            break
        started = time.monotonic()
        loss = run.train_epoch(train, number)
        if held_out is not None and validation is not None:
            validation_loss, accuracy = _score(run.averaged, held_out, validation.targets, spec)
        else:
            validation_loss, accuracy = math.nan, math.nan
        epoch = Epoch(number, loss, validation_loss, accuracy, run.learning_rate, time.monotonic() - started)
        state.history.append(epoch)
        if held_out is None or validation_loss < state.best_loss:
            state.best_epoch, state.best_loss = number, validation_loss
            state.best = {name: value.detach().clone() for name, value in run.averaged.state_dict().items()}
        if checkpoint:
            save_checkpoint(checkpoint, state, run.state_dict(), config)
        on_epoch(epoch)
    start.classifier.load_state_dict(state.best)
    start.classifier.to("cpu").eval()
    return state.history


def predict_logits(model: nn.Module, inputs: Pixels, spec: InputSpec) -> Floats:
    """Logits float32 [N, K] of prepared photos, uint8 RGB [N, H, W, 3], in float32 arithmetic."""
    return _forward(model, inputs, spec, lambda network, batch: model(network.normalise(batch)))


def predict_embeddings(model: nn.Module, inputs: Pixels, spec: InputSpec) -> Floats:
    """Embeddings float32 [N, D], the input of the last layer, of prepared photos, uint8 RGB [N, H, W, 3]."""
    return _forward(model, inputs, spec, lambda network, batch: network.head(network.features(batch))[1])


def _pick_device(device: str) -> torch.device:
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def _accelerates_bfloat16(device: torch.device) -> bool:
    """Whether bf16 autocast is faster: on a CPU with AMX tiles, or on a GPU of compute capability 8 or more.

    On a CPU with AVX-512 but without AMX it took twice as long as float32.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return bool(torch.cpu._is_amx_tile_supported())


class _Run:
    """The state of a run that changes from step to step."""

    def __init__(self, start: Start, *, classes: int, spec: InputSpec, config: TrainingConfig, photos: int) -> None:
        self.device = _pick_device(config.device)
        self._config, self._classes = config, classes
        crop = replace(spec, height=config.training_size, width=config.training_size)
        self._transform = create_transform(crop, config.augmentation)
        self._model = start.classifier.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._average = ModelEmaV3(self._model, decay=config.ema_decay, use_warmup=True, warmup_power=0.75)
        self._optimiser = torch.optim.AdamW(_parameter_groups(start, config))
        whole, rest = divmod(photos, config.batch_size)
        steps_per_epoch = max(1, whole + (rest > 1))
        warmup, total = config.warmup_epochs * steps_per_epoch, config.epochs * steps_per_epoch
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimiser, lambda step: _cosine_with_warmup(step, min(warmup, total // 2), total)
        )
        self._loss = nn.CrossEntropyLoss(label_smoothing=config.label_smoothing)
        self._autocast = _accelerates_bfloat16(self.device)
        self._parts: dict[str, Any] = {
            "model": self._model,
            "average": self._average,
            "optimiser": self._optimiser,
            "schedule": self._schedule,
        }

    @property
    def averaged(self) -> nn.Module:
        module: nn.Module = self._average.module
        return module

    @property
    def learning_rate(self) -> float:
        return float(self._schedule.get_last_lr()[0])

    def train_epoch(self, photos: PhotoSet, number: int) -> float:
        """Train for one pass over `photos`; return the mean loss."""
        torch.manual_seed(self._config.seed * 100_003 + number)
        self._model.train()
        losses: list[float] = []
        batches = training_batches(
            photos, self._transform, self._config.augmentation, self._classes, self._config.batch_size
        )
        for inputs, targets in batches:
            inputs = inputs.to(self.device, memory_format=torch.channels_last)  # noqa: PLW2901
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self._autocast):
                loss = self._loss(self._model(inputs), targets.to(self.device))
            if not math.isfinite(value := loss.item()):
                raise TrainingError(
                    f"The loss became {value} in epoch {number}.",
                    f"Lower the learning rate, which is {self._config.learning_rate}.",
                )
            self._optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self._model.parameters(), self._config.clip_norm)
            self._optimiser.step()
            self._schedule.step()
            self._average.update(self._model, step=self._schedule.last_epoch)  # counts steps
            losses.append(value)
        return sum(losses) / len(losses)

    def state_dict(self) -> dict[str, object]:
        return {name: part.state_dict() for name, part in self._parts.items()}

    def load_state_dict(self, state: dict[str, object]) -> None:
        for name, part in self._parts.items():
            part.load_state_dict(state[name])


def _score(model: nn.Module, inputs: Pixels, targets: Tensor, spec: InputSpec) -> tuple[float, float]:
    logits = torch.from_numpy(predict_logits(model, inputs, spec))
    loss = nn.functional.cross_entropy(logits, targets).item()
    return loss, float((logits.argmax(1) == targets).float().mean())


def _forward(model: nn.Module, inputs: Pixels, spec: InputSpec, run: Callable[[Network, Tensor], Tensor]) -> Floats:
    device = next(model.parameters()).device
    network = Network(model, spec).to(device).eval()
    batches = torch.split(torch.from_numpy(inputs), EVALUATION_BATCH)
    with torch.inference_mode():
        array: Floats = torch.cat([run(network, batch.to(device)).float().cpu() for batch in batches]).numpy()
    return array


def _parameter_groups(start: Start, config: TrainingConfig) -> list[dict[str, object]]:
    """Parameter groups: the last layer and the features, each with weight decay and, for norms and biases, without."""
    last = {id(parameter) for parameter in last_layer(start.classifier).parameters()}
    features_rate = config.learning_rate * (config.features_rate if start.pretrained else 1.0)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in start.classifier.parameters():
        rate = config.learning_rate if id(parameter) in last else features_rate
        groups.setdefault((rate, config.weight_decay if parameter.ndim > 1 else 0.0), []).append(parameter)
    return [{"params": members, "lr": rate, "weight_decay": decay} for (rate, decay), members in groups.items()]


def _cosine_with_warmup(step: int, warmup: int, total: int) -> float:
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
