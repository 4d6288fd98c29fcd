"""From the photos of a request to predictions of one version, the same over REST and gRPC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar.datastructures import State

from dandelion.access import Caller
from dandelion.api.predict import record_predictions
from dandelion.domain import ModelRef
from dandelion.errors import DandelionError, NotReadyError, VersionNotFoundError
from dandelion.inference.service import EmbeddedPrediction, PredictionService, ServingModel


def find_model(service: PredictionService, name: str, version: str) -> ServingModel:
    """The serving model, if a request means it; an empty name or version means the one in service.

    Raises:
        NotReadyError: No model is loaded yet.
        VersionNotFoundError: The request means another model or version.
    """
    serving = service.serving
    if name and name != serving.ref.name:
        raise VersionNotFoundError(f"There is no model {name[:80]!r}.", f"The model is {serving.ref.name!r}.")
    _check_version(serving.ref, version)
    return serving


async def predict(state: State, caller: Caller, photos: Sequence[bytes], version: str) -> list[EmbeddedPrediction]:
    """Predictions in the order of the photos, all of one version, and stored; one bad photo fails them all.

    Args:
        state: The application's.
        caller: The sender of the photos.
        photos: The photos.
        version: The version that the request names; empty if it names none.

    Raises:
        PhotoError: A photo cannot be classified.
        OverloadedError: The photos do not fit into the queue, or one waited too long.
        VersionNotFoundError: The version went out of service meanwhile.
        NotReadyError: The process is stopping, or other models came into service twice meanwhile.
        JournalFullError: The predictions can be stored nowhere.
    """
    given = await _predict(state.service, photos, version)
    await record_predictions(
        state, caller, [(each.prediction, photo) for each, photo in zip(given, photos, strict=True)]
    )
    return given


async def _predict(service: PredictionService, photos: Sequence[bytes], version: str) -> list[EmbeddedPrediction]:
    for _ in range(2):  # a second swap so soon is unlikely
        given = _succeeded(await service.predict_embedded(photos))
        models = {each.prediction.model.version: each.prediction.model for each in given}
        for model in models.values():
            _check_version(model, version)
        if len(models) == 1:
            return given
    raise NotReadyError("Another version came into service meanwhile.", "Send the request again.")


def _check_version(ref: ModelRef, version: str) -> None:
    """Check that a request means this version.

    Raises:
        VersionNotFoundError: It names another.
    """
    if version and version != ref.version:
        raise VersionNotFoundError(
            f"Version {version[:80]!r} of {ref.name!r} is not in service.",
            f"Version {ref.version!r} is; a request without a version always means the one in service.",
        )


def _succeeded(results: list[Any]) -> list[EmbeddedPrediction]:
    """All predictions, if none failed.

    Raises:
        PhotoError: A photo cannot be classified.
        OverloadedError: A photo waited too long.
    """
    for number, each in enumerate(results, 1):
        if isinstance(each, DandelionError):
            if len(results) > 1:
                raise type(each)(f"Photo {number} of {len(results)}: {each.message}", each.remedy) from each
            raise each
    return results
