"""Step 4: train a candidate."""

from __future__ import annotations

from dandelion.retraining.run import Run
from dandelion.retraining.state import State
from dandelion.retraining.train import train_candidate
from dandelion.training.checkpoint import Epoch
from dandelion.training.run import Stage


def train_model(run: Run, state: State) -> State:
    """Train on the frozen photos and register the candidate; resume from the checkpoint of a killed run, if any."""
    if run.registered is not None and run.champion is not None and run.champion.version == run.registered:
        # A run was killed after it moved the alias and before it checked the golden photos. Training another candidate
        # would leave the serving model unchecked.
        return state.after(
            f"Version {run.registered} was put in service by a run that was killed before it had checked it.",
            candidate=run.registry.get_version(run.registered),
        )

    def report(stage: Stage, epoch: Epoch) -> None:
        left = (stage.epochs - epoch.number) * epoch.seconds
        accuracy = f", validation accuracy {epoch.validation_accuracy:.1%}" if epoch.validation_accuracy >= 0 else ""
        run.progress(
            100 * epoch.number / stage.epochs,
            f"{stage.name}: epoch {epoch.number} of {stage.epochs}{accuracy}, up to {left:.0f} s left",
        )

    candidate, message = train_candidate(
        run.settings,
        run.store,
        run.registry,
        state.frozen,
        run.champion.package if run.champion else None,
        run.folder,
        command="dandelion retrain",
        on_epoch=report,
    )
    run.remember(version=candidate.version)
    links = {**state.links, "Candidate": f"models:/{candidate.name}/{candidate.version}"}
    return state.after(message, candidate=candidate, links=links)
