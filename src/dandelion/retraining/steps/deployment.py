"""Step 6: put the candidate in service, and roll it back if it does not serve as it should."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from dandelion.access.tokens import sign_token
from dandelion.db import releases, retrainings
from dandelion.domain import CHAMPION, STARTER, ModelVersion
from dandelion.release.deploy import deploy
from dandelion.release.pods import Pods
from dandelion.retraining.compare import golden_photos
from dandelion.retraining.guard import in_transaction
from dandelion.retraining.run import Run
from dandelion.retraining.state import State
from dandelion.settings import Settings

TOKEN_LASTS = timedelta(hours=1)


def deploy_model(run: Run, state: State) -> State:
    """Move the alias, wait for every pod, check the golden photos, and roll back when a pod gets one wrong.

    When no pod could follow, or MLflow did not respond, nothing was moved.
    """
    candidate, options = state.trained, run.settings.release
    if why := _overtaken(run, candidate.version):
        return state.end("rejected", why)
    golden = golden_photos(run.store, state.comparison, options.golden_photos)
    release_id, before = _begin(run, candidate)
    try:
        done = asyncio.run(
            deploy(
                run.registry,
                Pods(run.settings, _key(run.settings)),
                candidate.version,
                golden,
                options,
                moved_from=before,
                progress=run.say,
            )
        )
    except BaseException as error:
        _end(run, release_id, releases.ROLLED_BACK, str(error))
        raise
    ended = releases.SERVING if done.serves else releases.ROLLED_BACK
    _end(run, release_id, ended, done.message)
    run.registry.tag_version(candidate.version, {"dandelion.release": ended})
    if done.serves:
        return state.end("promoted", done.message)
    return state.end("rolled_back", f"Version {candidate.version} was rolled back: {done.message}")


def _overtaken(run: Run, version: str) -> str:
    """Why the gate's decision is out of date; empty if it is not. Aliases may have moved during a long training."""
    if not in_transaction(run.settings, lambda on: retrainings.beat(on, run.id, 0.0)):
        return "Another run took over, because this one sent no heartbeat for too long. Nothing was moved."
    found = run.registry.find_alias(CHAMPION)
    now = found.version if found is not None else STARTER
    judged = run.champion.version if run.champion is not None else STARTER
    if now in {judged, version}:
        return ""
    return (
        f"Version {now} became champion meanwhile, but the gate compared the candidate with {judged}. Nothing was "
        "moved. Run `dandelion retrain` to compare the candidate with the serving model."
    )


def _begin(run: Run, candidate: ModelVersion) -> tuple[str, str | None]:
    """Begin a release, or resume one that a killed run began; return its id and where the alias pointed before it."""
    name, version, options = candidate.name, candidate.version, run.settings.release
    begun = in_transaction(run.settings, lambda on: releases.find_begun(on, name, version))
    if begun is not None:
        return begun
    found = run.registry.find_alias(options.alias)
    before = found.version if found is not None and found.version != version else None
    weight = 100 if options.alias == CHAMPION else 0
    release_id = in_transaction(
        run.settings,
        lambda on: releases.begin(
            on, name=name, version=version, previous=before, strategy=options.strategy, weight=weight
        ),
    )
    return release_id, before


def _end(run: Run, release_id: str, state: str, reason: str) -> None:
    in_transaction(run.settings, lambda on: releases.finish(on, release_id, state=state, reason=reason))


def _key(settings: Settings) -> str | None:
    """The credential for the API: the key of the settings, or a token that we sign ourselves."""
    if settings.release.api_key is not None:
        return settings.release.api_key.get_secret_value()
    if settings.access.enabled and settings.access.jwt_secrets:
        return sign_token(settings.access, "dandelion-flows", ["predict", "read"], TOKEN_LASTS)
    return None
