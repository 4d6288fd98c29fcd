"""Put a version in service, and roll it back when a pod does not serve it as it should."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_exponential

from dandelion.domain import CHAMPION, PREVIOUS
from dandelion.errors import DandelionError, RegistryError, ReleaseError
from dandelion.registry import Registry
from dandelion.release.pods import Pod, Pods
from dandelion.settings import ReleaseSettings

POLL_SECONDS = 1.0
# A rollback must not fail because MLflow restarts.
UNDO_PATIENCE_SECONDS = 300.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Golden:
    """A photo whose class is beyond doubt; error messages call it `name`."""

    name: str
    label: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Move:
    """Aliases before and after a release.

    Attributes:
        alias: The alias that the serving pods follow.
        version: The version that it will point at.
        before: Each alias that changes, and the version it pointed at; None if it pointed nowhere.
        after: Each alias that changes, and its new version, in the order in which they are set: `alias` comes last.
    """

    alias: str
    version: str
    before: Mapping[str, str | None]
    after: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DeploymentResult:
    """Whether the version is in service, how many pods serve it and after how long; or why it was rolled back."""

    serves: bool
    message: str


async def deploy(
    registry: Registry,
    pods: Pods,
    version: str,
    golden: Sequence[Golden],
    options: ReleaseSettings,
    *,
    moved_from: str | None = None,
    undo_patience_seconds: float = UNDO_PATIENCE_SECONDS,
    progress: Callable[[str], None] = lambda _: None,
) -> DeploymentResult:
    """Move the alias, wait until every pod that follows it serves `version`, and check the golden photos on each pod.

    The release is rolled back when a pod does not follow in time, fails, or predicts a wrong label for a golden photo.
    A release may be repeated: the golden photos are checked even if the version is in service already. `moved_from` is
    where the alias pointed before an earlier run moved it and was killed.

    Raises:
        RegistryError: MLflow does not respond; nothing was moved, or everything was rolled back.
        ReleaseError: No pod could follow, so nothing was moved; or the rollback failed as well.
    """
    aliases = await asyncio.to_thread(_aliases, registry, options.alias)
    if moved_from is not None and aliases.get(options.alias) == version:
        aliases[options.alias] = moved_from
    move = plan_move(version, aliases, options)
    _require_followers(await pods.list(), move, options)
    try:
        await asyncio.to_thread(_set, registry, move)
    except RegistryError:
        await _undo(registry, move, undo_patience_seconds)
        raise
    started = time.monotonic()
    try:
        serving = await _wait(pods, move, options.timeout_seconds, progress)
        await asyncio.gather(*(_check_golden_photos(pods, pod, version, golden) for pod in serving))
    except DandelionError as error:
        await _undo(registry, move, undo_patience_seconds)
        back = move.before[move.alias]
        return DeploymentResult(False, f"{error} {move.alias.capitalize()} is {_named(back)} again.")
    except asyncio.CancelledError:
        await _undo(registry, move, undo_patience_seconds)
        raise
    if not serving:
        return DeploymentResult(True, f"{move.alias.capitalize()} is version {version}; no pod serves it yet.")
    count = "1 pod serves" if len(serving) == 1 else f"{len(serving)} pods serve"
    return DeploymentResult(
        True,
        f"{count} version {version} as {move.alias} after {time.monotonic() - started:.0f} s; "
        f"each predicts the right label for all {len(golden)} golden photos.",
    )


def plan_move(version: str, aliases: Mapping[str, str], options: ReleaseSettings) -> Move:
    """Plan how to put `version` in service, given where the aliases point now.

    A rolling release moves `champion` and points `previous` at the version before it. Canary and blue-green releases
    move `challenger`, which only their trial pods serve.
    """
    alias, after = options.alias, {}
    if alias == CHAMPION and aliases.get(CHAMPION) not in {None, version}:
        after[PREVIOUS] = aliases[CHAMPION]
    after[alias] = version
    return Move(alias, version, {name: aliases.get(name) for name in after}, after)


def _aliases(registry: Registry, alias: str) -> dict[str, str]:
    names = {alias, CHAMPION, PREVIOUS}
    return {name: found.version for name in names if (found := registry.find_alias(name)) is not None}


def _require_followers(pods: Sequence[Pod], move: Move, options: ReleaseSettings) -> None:
    if options.strategy != "rolling" or any(pod.follows(move.alias) for pod in pods):
        return
    silent = [pod.url for pod in pods if not pod.version]
    if silent:
        raise ReleaseError(
            f"{', '.join(silent)} does not respond, so nothing was moved.",
            "Start the API, or set DANDELION_RELEASE__API_URL or __PODS_URL; with access on also __API_KEY.",
        )
    raise ReleaseError(
        f"No pod follows the alias {move.alias!r}, so nothing was moved.",
        "The pods serve a folder or a fixed version: check DANDELION_MODEL__PATH and __VERSION.",
    )


def _set(registry: Registry, move: Move) -> None:
    for alias, version in move.after.items():
        registry.set_alias(alias, version)


async def _undo(registry: Registry, move: Move, patience_seconds: float) -> None:
    """Point every alias back where it pointed before; retry until MLflow responds or `patience_seconds` are over."""

    def restore() -> None:
        for alias, version in reversed(list(move.before.items())):
            if version is None:
                registry.drop_alias(alias)
            else:
                registry.set_alias(alias, version)

    try:
        async for attempt in AsyncRetrying(
            stop=stop_after_delay(patience_seconds),
            wait=wait_exponential(multiplier=0.2, max=5),
            retry=retry_if_exception_type(RegistryError),
            reraise=True,
        ):
            with attempt:
                await asyncio.to_thread(restore)
    except RegistryError as error:
        wanted = ", ".join(f"{alias} to {_named(version)}" for alias, version in move.before.items())
        raise ReleaseError(
            f"The release could not be rolled back ({error.message})", f"Point {wanted} yourself, in MLflow."
        ) from error
    log.warning("release_taken_back", alias=move.alias, version=move.version)


async def _wait(pods: Pods, move: Move, timeout_seconds: float, progress: Callable[[str], None]) -> list[Pod]:
    """The pods that follow the alias, once all of them serve the version."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        found = await pods.list()
        following = [pod for pod in found if pod.follows(move.alias)]
        done = [pod for pod in following if pod.version == move.version]
        silent = [pod for pod in found if not pod.version]
        progress(f"{len(done)} of {len(following) + len(silent)} pods serve version {move.version}")
        if len(done) == len(following) and not silent:
            return done
        if time.monotonic() > deadline:
            late = [f"{pod.url} ({pod.version or 'silent'})" for pod in found if pod not in done]
            raise ReleaseError(
                f"After {timeout_seconds:.0f} s these pods do not serve version {move.version}: {', '.join(late)}.",
                "Search their logs for `task_failed`.",
            )
        await asyncio.sleep(POLL_SECONDS)


async def _check_golden_photos(pods: Pods, pod: Pod, version: str, golden: Sequence[Golden]) -> None:
    for photo in golden:
        found = await pods.predict(pod, photo.data)
        if found.model.version != version:
            raise ReleaseError(f"{pod.url} predicts with version {found.model.version} instead of {version}.")
        if found.label != photo.label:
            raise ReleaseError(
                f"{pod.url} predicts {found.label!r} ({found.confidence:.0%}) for the golden photo {photo.name}; "
                f"its label is {photo.label!r}."
            )


def _named(version: str | None) -> str:
    return "nothing" if version is None else f"version {version}"
