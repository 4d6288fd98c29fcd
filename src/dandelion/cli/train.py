"""`dandelion train`: from a folder of photos to a registered version."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from dandelion.domain import CHAMPION

if TYPE_CHECKING:
    from dandelion.settings import Settings
    from dandelion.training.epoch import Epoch
    from dandelion.training.run import Stage, Trained
    from dandelion.training.tracking import Tracker


def train(
    data: Annotated[Path, typer.Option(help="Folder with one sub-folder of photos a class.")],
    model: Annotated[str, typer.Option(help="Any timm model name.")] = "resnet10t",
    pretrained: Annotated[
        str, typer.Option(help="auto: the hub's weights where the hub answers; off: from scratch; or a weights file.")
    ] = "auto",
    epochs: Annotated[int | None, typer.Option(help="Most passes over the training photos.")] = None,
    size: Annotated[int | None, typer.Option(help="Side of the model's input, pixels.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Photos a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    patience: Annotated[int | None, typer.Option(help="Epochs without a better one before it stops early.")] = None,
    seed: Annotated[int, typer.Option(help="Of everything random; the same seed makes the same model on a CPU.")] = 0,
    folds: Annotated[int, typer.Option(help="Cross-validate with this many folds first; 0 does not.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last run's checkpoint.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder of checkpoints, plots and the package; under the home folder by default."),
    ] = None,
    compact: Annotated[
        bool,
        typer.Option("--compact", help="Leave torch's weights out of the package: a third of the size, for CPUs only."),
    ] = False,
    register: Annotated[bool, typer.Option("--register/--no-register", help="Register the result in MLflow.")] = True,
) -> None:
    """Train a model, calibrate and measure it, and register it as challenger (and as champion if there is none)."""
    from dandelion.settings import load_settings
    from dandelion.training.config import TrainingConfig
    from dandelion.training.run import train as run_training

    settings = load_settings()
    given: dict[str, Any] = {
        "epochs": epochs,
        "image_size": size,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "patience": patience,
    }
    config = TrainingConfig(
        architecture=model,
        pretrained=pretrained,
        seed=seed,
        folds=folds,
        compact=compact,
        **{name: value for name, value in given.items() if value is not None},
    )
    with Display() as display:
        trained = run_training(
            data,
            config,
            output or settings.home / "training" / model,
            tracker=_tracker(settings, register),
            command=shlex.join(["dandelion", *sys.argv[1:]]),
            resume=resume,
            on_epoch=display.show,
        )
    _report(trained)


class Display:
    """Progress: a live bar on a terminal, a line an epoch elsewhere."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, Any] = {}
        self._started: dict[str, float] = {}

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, stage: Stage, epoch: Epoch) -> None:
        """One more epoch of a stage is done."""
        figures = f"loss {epoch.loss:.3f}"
        if epoch.validation_loss == epoch.validation_loss:  # not NaN: there is a validation split
            figures += f", validation loss {epoch.validation_loss:.3f}, accuracy {epoch.validation_accuracy:.3f}"
        if not self._console.is_terminal:
            left = (stage.epochs - epoch.number) * epoch.seconds
            self._console.print(
                f"{stage.name}: epoch {epoch.number}/{stage.epochs}, {figures}, {left:.0f} s left at most"
            )
            return
        if stage.name not in self._tasks:
            self._tasks[stage.name] = self._progress.add_task(stage.name, total=stage.epochs, figures="")
            self._started[stage.name] = time.monotonic()
        self._progress.update(self._tasks[stage.name], completed=epoch.number, figures=figures)


def _tracker(settings: Settings, register: bool) -> Tracker:
    from dandelion.registry import create_registry
    from dandelion.training.tracking import Tracker

    return Tracker(create_registry(settings) if register else None)


def _report(trained: Trained) -> None:
    table = Table("Figure on test photos", "Value")
    for name, value in trained.metrics.items():
        table.add_row(name.replace("_", " "), f"{value:g}" if value == int(value) else f"{value:.4f}")
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    graphs = "float32 and int8" if trained.int8 else "float32 only"
    console.print(f"Package: {trained.package} ({graphs})", markup=False)
    version = trained.version
    if version is not None:
        console.print(f"Registered {version.name} version {version.version} ({', '.join(version.aliases)}).")
        if CHAMPION not in version.aliases:
            console.print(f"Let it serve: dandelion models promote {version.version}")
