"""Track a training run in MLflow: its parameters, metrics and plots, and the registration of its version."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from dandelion.domain import CHALLENGER, CHAMPION
from dandelion.errors import RegistryError
from dandelion.training.config import TrainingConfig

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dandelion.domain import ModelVersion
    from dandelion.registry import Registry
    from dandelion.training.checkpoint import Epoch

PLOTS = "plots"
_NOTE = "run.json"
_FORBIDDEN = re.compile(r"[^\w\-. /]")  # in the names of MLflow's metrics


@dataclass(frozen=True)
class Tracker:
    """Tracks runs in MLflow, or only in their output folder if there is no registry.

    Attributes:
        registry: The registry, if there is one.
        tags: Tags for the version.
        on_trial: Point `challenger` at the version, and also `champion` while there is none; otherwise move no alias.
    """

    registry: Registry | None
    tags: Mapping[str, str] = field(default_factory=dict)
    on_trial: bool = True

    @contextmanager
    def run(self, config: TrainingConfig, digest: str, output: Path, *, resume: bool) -> Iterator[Tracked]:
        """Begin or resume a run; it is marked as finished or failed when the block ends."""
        if self.registry is None:
            yield Tracked(output)
            return
        with self.registry.asking("begin a training run"):
            client = self.registry.client
            run_id = _recall(output) if resume else None
            if run_id is None:
                run_id = client.create_run(self.registry.experiment_id(), run_name=config.architecture).info.run_id
                for name, value in {**config.as_params(), "dataset_digest": digest}.items():
                    client.log_param(run_id, name, value)
                (output / _NOTE).write_bytes(msgspec.json.encode({"run_id": run_id}))
            else:
                client.update_run(run_id, status="RUNNING")
        try:
            yield _Registered(output, self.registry, run_id, self.tags, self.on_trial)
        except BaseException:
            with self.registry.asking("mark the run as failed"):
                client.set_terminated(run_id, "FAILED")
            raise
        with self.registry.asking("mark the run as finished"):
            client.set_terminated(run_id, "FINISHED")
        (output / _NOTE).unlink(missing_ok=True)


@dataclass(frozen=True)
class Tracked:
    """A run without a registry: only its plots are saved, in the output folder."""

    output: Path

    def log_epoch(self, stage: str, epoch: Epoch) -> None:
        """Log nothing: the checkpoint contains the epoch."""

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Log nothing: the package contains the metrics."""

    def log_plot(self, name: str, figure: Figure) -> None:
        """Save the plot in the output folder."""
        (self.output / PLOTS).mkdir(parents=True, exist_ok=True)
        figure.savefig(self.output / PLOTS / name, dpi=120)

    def register(self, package: Path) -> ModelVersion | None:
        """Register nothing: there is no registry."""
        return None


@dataclass(frozen=True)
class _Registered(Tracked):
    registry: Registry
    run_id: str
    tags: Mapping[str, str]
    on_trial: bool

    def log_epoch(self, stage: str, epoch: Epoch) -> None:
        """Log the metrics of an epoch, under the stage's name."""
        prefix = stage.replace(" ", "_")
        metrics = {
            "loss": epoch.loss,
            "validation_loss": epoch.validation_loss,
            "validation_accuracy": epoch.validation_accuracy,
            "learning_rate": epoch.learning_rate,
        }
        with self.registry.asking("log the metrics of an epoch"):
            for name, value in metrics.items():
                if math.isfinite(value):
                    self.registry.client.log_metric(self.run_id, f"{prefix}.{name}", value, step=epoch.number)

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        with self.registry.asking("log the metrics"):
            for name, value in metrics.items():
                self.registry.client.log_metric(self.run_id, f"test.{_FORBIDDEN.sub('_', name)}", value)

    def log_plot(self, name: str, figure: Figure) -> None:
        super().log_plot(name, figure)
        with self.registry.asking("log a plot"):
            self.registry.client.log_artifact(self.run_id, str(self.output / PLOTS / name), PLOTS)

    def register(self, package: Path) -> ModelVersion:
        """Register a new version; on trial, it also becomes the champion if there is none."""
        version = self.registry.register_package(package, run_id=self.run_id, tags=self.tags)
        if not self.on_trial:
            return version
        self.registry.set_alias(CHALLENGER, version.version)
        if self.registry.find_alias(CHAMPION) is None:
            self.registry.promote(version.version)
        return self.registry.get_version(version.version)


def _recall(output: Path) -> str | None:
    try:
        return str(msgspec.json.decode((output / _NOTE).read_bytes())["run_id"])
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, KeyError) as error:
        raise RegistryError(f"{output / _NOTE} is damaged.", "Delete it; the run continues under a new id.") from error
