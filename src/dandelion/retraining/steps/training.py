"""Step 4: a candidate."""

from __future__ import annotations

from dandelion.retraining.run import Run, Step
from dandelion.retraining.train import train_candidate
from dandelion.training.epoch import Epoch
from dandelion.training.run import Stage


def train_model(run: Run) -> Step:
    """Train on the frozen photos, from the checkpoint of a run that was killed where there is one, and register.

    Raises:
        DandelionError: Photos, recipe, disk, MLflow or the object store are at fault.
    """
    if skipped := run.skip():
        return skipped
    if run.registered is not None and run.champion is not None and run.champion.version == run.registered:
        # Killed between the move and its proof. To train on from there would leave what serves unproven.
        run.candidate = run.registry.get_version(run.registered)
        return Step(f"Version {run.registered} was moved by a run that was killed before it had proven it.")

    def tell(stage: Stage, epoch: Epoch) -> None:
        left = (stage.epochs - epoch.number) * epoch.seconds
        accuracy = f", validation accuracy {epoch.validation_accuracy:.1%}" if epoch.validation_accuracy >= 0 else ""
        run.progress(
            100 * epoch.number / stage.epochs,
            f"{stage.name}: epoch {epoch.number} of {stage.epochs}{accuracy}, {left:.0f} s left at most",
        )

    done = train_candidate(
        run.settings,
        run.store,
        run.registry,
        run.frozen,
        run.champion.package if run.champion else None,
        run.folder,
        command="dandelion retrain",
        on_epoch=tell,
    )
    run.candidate = done.version
    run.remember(version=done.version.version)
    run.links["Candidate"] = f"models:/{done.version.name}/{done.version.version}"
    return Step(done.message)
