"""What a run writes of itself to MLflow while it goes on, and its registration at the end."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from dandelion.domain import CHALLENGER, CHAMPION
from dandelion.errors import RegistryError
from dandelion.training.config import TrainingConfig

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dandelion.domain import ModelVersion
    from dandelion.registry import Registry
    from dandelion.training.epoch import Epoch

PLOTS = "plots"
_NOTE = "run.json"


class Tracked(Protocol):
    """One run that is being written down."""

    def log_epoch(self, stage: str, epoch: Epoch) -> None:
        """An epoch's figures."""

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """The figures on the test split."""

    def log_figure(self, name: str, figure: Figure) -> None:
        """A plot."""

    def register(self, package: Path) -> ModelVersion | None:
        """Make the package a version."""


class Tracker:
    """Writes runs to MLflow, or only to their output folder when there is no registry.

    Args:
        registry: Where to, if anywhere.
        tags: Written on the version.
        on_trial: Let `challenger` point at the version, and `champion` while there is none; else others decide.
    """

    def __init__(
        self, registry: Registry | None, *, tags: Mapping[str, str] | None = None, on_trial: bool = True
    ) -> None:
        self._registry = registry
        self._tags = dict(tags or {})
        self._on_trial = on_trial

    @contextmanager
    def run(self, config: TrainingConfig, digest: str, output: Path, *, resume: bool) -> Iterator[Tracked]:
        """A run, marked as finished or failed when the block ends; a resumed one goes on where it was written."""
        if self._registry is None:
            yield _Unregistered(output)
            return
        with self._registry.asking("begin a training run"):
            client = self._registry.client
            run_id = _recall(output) if resume else None
            if run_id is None:
                run_id = client.create_run(self._registry.experiment_id(), run_name=config.architecture).info.run_id
                for name, value in {**config.as_params(), "dataset_digest": digest}.items():
                    client.log_param(run_id, name, value)
                (output / _NOTE).write_bytes(msgspec.json.encode({"run_id": run_id}))
            else:
                client.update_run(run_id, status="RUNNING")
        try:
            yield _Registered(self._registry, run_id, output, self._tags, on_trial=self._on_trial)
        except BaseException:
            with self._registry.asking("mark the run as failed"):
                client.set_terminated(run_id, "FAILED")
            raise
        with self._registry.asking("mark the run as finished"):
            client.set_terminated(run_id, "FINISHED")
        (output / _NOTE).unlink(missing_ok=True)


class _Unregistered:
    def __init__(self, output: Path) -> None:
        self._plots = output / PLOTS

    def log_epoch(self, stage: str, epoch: Epoch) -> None:
        """Nothing to write: the checkpoint has it."""

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Nothing to write: the package has them."""

    def log_figure(self, name: str, figure: Figure) -> None:
        """Save the plot in the output folder."""
        self._plots.mkdir(parents=True, exist_ok=True)
        figure.savefig(self._plots / name, dpi=120)

    def register(self, package: Path) -> ModelVersion | None:
        """Register nothing: nobody asked for it."""
        del package
        return None


class _Registered(_Unregistered):
    def __init__(
        self, registry: Registry, run_id: str, output: Path, tags: Mapping[str, str], *, on_trial: bool
    ) -> None:
        super().__init__(output)
        self._registry = registry
        self._run_id = run_id
        self._tags = tags
        self._on_trial = on_trial

    def log_epoch(self, stage: str, epoch: Epoch) -> None:
        """An epoch's figures, under the stage's name."""
        prefix = stage.replace(" ", "_")
        figures = {
            "loss": epoch.loss,
            "validation_loss": epoch.validation_loss,
            "validation_accuracy": epoch.validation_accuracy,
            "learning_rate": epoch.learning_rate,
        }
        with self._registry.asking("write an epoch's figures"):
            for name, value in figures.items():
                if math.isfinite(value):
                    self._registry.client.log_metric(self._run_id, f"{prefix}.{name}", value, step=epoch.number)

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """The figures on the test split."""
        with self._registry.asking("write the figures"):
            for name, value in metrics.items():
                self._registry.client.log_metric(self._run_id, f"test.{_plain(name)}", value)

    def log_figure(self, name: str, figure: Figure) -> None:
        """Save the plot in the output folder and with the run."""
        super().log_figure(name, figure)
        with self._registry.asking("write a plot"):
            self._registry.client.log_artifact(self._run_id, str(self._plots / name), PLOTS)

    def register(self, package: Path) -> ModelVersion:
        """A new version; where it is on trial, in service too when nothing serves yet."""
        version = self._registry.register_package(package, run_id=self._run_id, tags=self._tags)
        if not self._on_trial:
            return version
        self._registry.set_alias(CHALLENGER, version.version)
        if self._registry.find_alias(CHAMPION) is None:
            self._registry.promote(version.version)
        return self._registry.get_version(version.version)


def _recall(output: Path) -> str | None:
    try:
        return str(msgspec.json.decode((output / _NOTE).read_bytes())["run_id"])
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, KeyError) as error:
        raise RegistryError(f"{output / _NOTE} is damaged.", "Delete it; the run goes on under a new id.") from error


def _plain(name: str) -> str:
    """A name that MLflow takes: letters, digits and a few signs."""
    return "".join(letter if letter.isalnum() or letter in "_-. /" else "_" for letter in name)
