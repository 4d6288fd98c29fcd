"""A release: what moves, what is asked, and what is moved back."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from dandelion.domain import ModelRef, ModelVersion, Prediction
from dandelion.errors import AuthenticationError, OverloadedError, RegistryError, ReleaseError
from dandelion.release.deploy import DeploymentResult, Golden, deploy, plan_move
from dandelion.release.pods import Pod, Pods
from dandelion.settings import ReleaseSettings, Settings
from tests.servers.scripted import Handler, listening

ROLLING = ReleaseSettings(timeout_seconds=0.05)
GOLDEN = [Golden("sure.jpg", "dandelion", b"photo")]


class FakeRegistry:
    """Aliases in memory; fails where it is told to."""

    def __init__(self, **aliases: str) -> None:
        self.aliases = dict(aliases)
        self.fails: list[str] = []

    def find_alias(self, alias: str) -> ModelVersion | None:
        version = self.aliases.get(alias)
        return ModelVersion("dandelion", version, (alias,), "", 0) if version else None

    def set_alias(self, alias: str, version: str) -> None:
        if alias in self.fails:
            self.fails.remove(alias)
            raise RegistryError("MLflow is down.")
        self.aliases[alias] = version

    def drop_alias(self, alias: str) -> None:
        self.aliases.pop(alias, None)


class FakePods:
    """Pods that follow the alias at once, but for those that are stuck."""

    def __init__(self, registry: FakeRegistry, *, alias: str = "champion", pods: int = 2) -> None:
        self.registry, self.alias, self.pods = registry, alias, pods
        self.stuck: dict[str, str] = {}
        self.label = "dandelion"
        self.asked: list[str] = []

    async def list(self) -> Sequence[Pod]:
        serving = self.registry.aliases.get(self.alias, "starter")
        urls = [f"http://10.0.0.{number}" for number in range(self.pods)]
        versions = {url: self.stuck.get(url, serving) for url in urls}
        return [Pod(url, version, self.alias if version else None) for url, version in versions.items()]

    async def predict(self, pod: Pod, photo: bytes) -> Prediction:
        assert photo == b"photo"
        if self.label == "busy":
            raise OverloadedError("The queue is full.")
        self.asked.append(pod.url)
        model = ModelRef(name="dandelion", version=pod.version, alias=pod.alias)
        return Prediction(
            prediction_id="1",
            label=self.label,
            confidence=0.9,
            probabilities={},
            in_distribution=True,
            model=model,
            duration_ms=1.0,
        )


async def release(pods: FakePods, version: str, options: ReleaseSettings = ROLLING) -> DeploymentResult:
    return await deploy(
        pods.registry,  # type: ignore[arg-type]
        pods,  # type: ignore[arg-type]
        version,
        GOLDEN,
        options,
        undo_patience_seconds=5,
    )


def test_a_rolling_release_moves_champion_last_and_remembers_the_one_before() -> None:
    move = plan_move("3", {"champion": "2", "previous": "1"}, ROLLING)
    assert list(move.after.items()) == [("previous", "2"), ("champion", "3")]
    assert dict(move.before) == {"previous": "1", "champion": "2"}


def test_the_first_release_has_nothing_to_remember() -> None:
    assert plan_move("1", {}, ROLLING).after == {"champion": "1"}


@pytest.mark.parametrize("strategy", ["canary", "blue-green"])
def test_a_trial_leaves_champion_alone(strategy: str) -> None:
    options = ReleaseSettings.model_validate({"strategy": strategy})
    assert plan_move("3", {"champion": "2"}, options).after == {"challenger": "3"}


async def test_every_pod_is_asked_the_golden_photos_once_all_of_them_serve() -> None:
    pods = FakePods(FakeRegistry(champion="1"))
    done = await release(pods, "2")
    assert done.serves
    assert pods.registry.aliases == {"champion": "2", "previous": "1"}
    assert sorted(pods.asked) == ["http://10.0.0.0", "http://10.0.0.1"]


async def test_a_pod_that_does_not_follow_takes_the_move_back() -> None:
    pods = FakePods(FakeRegistry(champion="2", previous="1"))
    pods.stuck["http://10.0.0.1"] = "2"
    done = await release(pods, "3")
    assert not done.serves
    assert "http://10.0.0.1 (2)" in done.message
    assert pods.registry.aliases == {"champion": "2", "previous": "1"}


@pytest.mark.parametrize("label", ["grass", "busy"])
async def test_a_golden_photo_that_is_taken_for_something_else_takes_the_move_back(label: str) -> None:
    pods = FakePods(FakeRegistry(champion="1"))
    pods.label = label
    done = await release(pods, "2")
    assert not done.serves
    assert "Champion is version 1 again" in done.message
    assert pods.registry.aliases == {"champion": "1"}


async def test_nothing_is_half_moved_when_mlflow_fails_between_two_aliases() -> None:
    pods = FakePods(FakeRegistry(champion="2", previous="1"))
    pods.registry.fails = ["champion", "champion"]  # the move, and the first try to take it back
    with pytest.raises(RegistryError):
        await release(pods, "3")
    assert pods.registry.aliases == {"champion": "2", "previous": "1"}


async def test_a_move_that_cannot_be_taken_back_says_what_to_do() -> None:
    pods = FakePods(FakeRegistry(champion="2", previous="1"))
    pods.registry.fails = ["champion"] * 1000
    with pytest.raises(ReleaseError, match="previous to version 1, champion to version 2"):
        await deploy(pods.registry, pods, "3", GOLDEN, ROLLING, undo_patience_seconds=0.2)  # type: ignore[arg-type]


async def test_nothing_is_moved_when_nobody_could_follow() -> None:
    pods = FakePods(FakeRegistry(champion="1"), pods=1)
    pods.stuck["http://10.0.0.0"] = ""
    with pytest.raises(ReleaseError, match="does not respond, so nothing was moved"):
        await release(pods, "2")
    assert pods.registry.aliases == {"champion": "1"}


async def test_a_trial_that_no_pod_serves_yet_stands() -> None:
    pods = FakePods(FakeRegistry(champion="1"))
    done = await release(pods, "2", ReleaseSettings(strategy="canary"))
    assert done.serves
    assert "no pod serves it yet" in done.message
    assert pods.registry.aliases == {"champion": "1", "challenger": "2"}


async def test_a_release_that_was_killed_after_the_move_can_still_be_taken_back() -> None:
    pods = FakePods(FakeRegistry(champion="2", previous="1"))
    pods.label = "grass"
    done = await deploy(pods.registry, pods, "2", GOLDEN, ROLLING, moved_from="1")  # type: ignore[arg-type]
    assert not done.serves
    assert pods.registry.aliases["champion"] == "1"


async def test_a_key_that_cannot_be_sent_is_not_taken_for_a_pod_that_is_silent() -> None:
    with pytest.raises(AuthenticationError, match="API key"):
        await Pods(Settings(), "dnd_1\n2").list()


async def test_every_address_behind_the_pods_name_is_a_pod() -> None:
    class Serving(Handler):
        def do_GET(self) -> None:
            self.answer(200, b'{"version": "2", "alias": "champion"}', {"Content-Type": "application/json"})

    with listening(Serving) as url:
        named = url.replace("127.0.0.1", "localhost")
        found = await Pods(Settings.model_validate({"release": {"pods_url": named}}), None).list()
    assert Pod(url, "2", "champion") in found
