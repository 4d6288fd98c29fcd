"""Track a training run in MLflow: its parameters, metrics and plots, and the registration of its version."""

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
    """A run that is being tracked."""

    def log_epoch(self, stage: str, epoch: Epoch) -> None:
        """Log the metrics of an epoch."""

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Log the metrics on the test split."""

    def log_plot(self, name: str, figure: Figure) -> None:
        """Log a plot."""

    def register(self, package: Path) -> ModelVersion | None:
        """Register the package as a version."""


class Tracker:
    """Tracks runs in MLflow, or only in their output folder if there is no registry.

    Args:
        registry: The registry, if there is one.
        tags: Tags for the version.
        on_trial: Point `challenger` at the version, and also `champion` while there is none; otherwise move no alias.
    """

    def __init__(
        self, registry: Registry | None, *, tags: Mapping[str, str] | None = None, on_trial: bool = True
    ) -> None:
        self._registry = registry
        self._tags = dict(tags or {})
        self._on_trial = on_trial

    @contextmanager
    def run(self, config: TrainingConfig, digest: str, output: Path, *, resume: bool) -> Iterator[Tracked]:
        """Begin or resume a run; it is marked as finished or failed when the block ends."""
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
        """Log nothing: the checkpoint contains the epoch."""

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Log nothing: the package contains the metrics."""

    def log_plot(self, name: str, figure: Figure) -> None:
        """Save the plot in the output folder."""
        self._plots.mkdir(parents=True, exist_ok=True)
        figure.savefig(self._plots / name, dpi=120)

    def register(self, package: Path) -> ModelVersion | None:
        """Register nothing: there is no registry."""
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
        """Log the metrics of an epoch, under the stage's name."""
        prefix = stage.replace(" ", "_")
        metrics = {
            "loss": epoch.loss,
            "validation_loss": epoch.validation_loss,
            "validation_accuracy": epoch.validation_accuracy,
            "learning_rate": epoch.learning_rate,
        }
        with self._registry.asking("log the metrics of an epoch"):
            for name, value in metrics.items():
                if math.isfinite(value):
                    self._registry.client.log_metric(self._run_id, f"{prefix}.{name}", value, step=epoch.number)

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Log the metrics on the test split."""
        with self._registry.asking("log the metrics"):
            for name, value in metrics.items():
                self._registry.client.log_metric(self._run_id, f"test.{_plain(name)}", value)

    def log_plot(self, name: str, figure: Figure) -> None:
        """Save the plot in the output folder and with the run."""
        super().log_plot(name, figure)
        with self._registry.asking("log a plot"):
            self._registry.client.log_artifact(self._run_id, str(self._plots / name), PLOTS)

    def register(self, package: Path) -> ModelVersion:
        """Register a new version; on trial, it also becomes the champion if there is none."""
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
        raise RegistryError(f"{output / _NOTE} is damaged.", "Delete it; the run continues under a new id.") from error


def _plain(name: str) -> str:
    """A name that MLflow accepts: letters, digits and a few signs."""
    return "".join(letter if letter.isalnum() or letter in "_-. /" else "_" for letter in name)
