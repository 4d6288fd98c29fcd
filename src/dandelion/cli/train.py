"""`dandelion train`: train a model on a folder of photos and register it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from dandelion.domain import CHAMPION, class_name
from dandelion.settings import load_settings

if TYPE_CHECKING:
    from dandelion.training.checkpoint import Epoch
    from dandelion.training.run import Stage, Trained


def train(
    data: Annotated[Path, typer.Option(help="Folder with one subfolder of photos per class.")],
    model: Annotated[str, typer.Option(help="Any timm model name.")] = "resnet10t",
    pretrained: Annotated[
        str, typer.Option(help="auto: the hub's weights if the hub is reachable; off: from scratch; or a weights file.")
    ] = "auto",
    epochs: Annotated[int | None, typer.Option(help="Maximum number of epochs.")] = None,
    size: Annotated[int | None, typer.Option(help="Side length of the model's input, pixels.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Photos per step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    patience: Annotated[int | None, typer.Option(help="Stop early after this many epochs without improvement.")] = None,
    background: Annotated[
        str, typer.Option(help="Class of photos that show none of the others, such as grass; decides about panoramas.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Random seed; on a CPU the same seed gives the same model.")] = 0,
    folds: Annotated[int, typer.Option(help="Cross-validate with this many folds first; 0 means none.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Resume from the last run's checkpoint.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder of checkpoints, plots and the package; by default under the home folder."),
    ] = None,
    compact: Annotated[
        bool,
        typer.Option("--compact", help="Leave torch's weights out of the package: a third of the size, for CPUs only."),
    ] = False,
    register: Annotated[bool, typer.Option("--register/--no-register", help="Register the result in MLflow.")] = True,
) -> None:
    """Train, calibrate and evaluate a model; register it as challenger, and as champion if there is none."""
    from dandelion.registry import create_registry
    from dandelion.training.config import TrainingConfig
    from dandelion.training.run import train as run_training
    from dandelion.training.tracking import Tracker

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
        background=class_name(background),
        seed=seed,
        folds=folds,
        compact=compact,
        **{name: value for name, value in given.items() if value is not None},
    )
    display = Display()
    with display.progress:
        trained = run_training(
            data,
            config,
            output or settings.home / "training" / model,
            tracker=Tracker(create_registry(settings) if register else None),
            command=shlex.join(["dandelion", *sys.argv[1:]]),
            resume=resume,
            on_epoch=display.show,
        )
    _report(trained)


class Display:
    """Shows progress: a live bar on a terminal, else a line per epoch."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[metrics]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, Any] = {}

    def show(self, stage: Stage, epoch: Epoch) -> None:
        """Show a completed epoch."""
        metrics = f"loss {epoch.loss:.3f}"
        if epoch.validation_loss == epoch.validation_loss:  # not NaN: there is a validation split
            metrics += f", validation loss {epoch.validation_loss:.3f}, accuracy {epoch.validation_accuracy:.3f}"
        if not self._console.is_terminal:
            left = (stage.epochs - epoch.number) * epoch.seconds
            self._console.print(
                f"{stage.name}: epoch {epoch.number}/{stage.epochs}, {metrics}, at most {left:.0f} s left"
            )
            return
        if stage.name not in self._tasks:
            self._tasks[stage.name] = self.progress.add_task(stage.name, total=stage.epochs, metrics="")
        self.progress.update(self._tasks[stage.name], completed=epoch.number, metrics=metrics)


def _report(trained: Trained) -> None:
    table = Table("Metric on test photos", "Value")
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
            console.print(f"Put it into service: dandelion models promote {version.version}")
