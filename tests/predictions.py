"""Predictions for the tests, as the API would have made them."""

from __future__ import annotations

from uuid_utils import uuid7

from dandelion.domain import JournalEntry, ModelRef, Prediction


def make_prediction(
    identity: str = "", *, label: str = "grass", confidence: float = 0.8, is_known: bool = True, version: str = "1"
) -> Prediction:
    """An answer of one of two classes; without an id, of now."""
    other = "dandelion" if label == "grass" else "grass"
    return Prediction(
        prediction_id=identity or str(uuid7()),
        label=label,
        confidence=confidence,
        probabilities={label: confidence, other: 1 - confidence},
        in_distribution=is_known,
        model=ModelRef(name="dandelion", version=version),
        duration_ms=1.5,
    )


def make_entry(given: Prediction | None = None, *, client: str | None = None) -> JournalEntry:
    """What the journal keeps of an answer; without one, of some answer of now."""
    return JournalEntry(prediction=given or make_prediction(), track="stable", client=client)
