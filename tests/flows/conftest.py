"""Everything that a retraining touches, real: MySQL, MinIO, MLflow, Prefect, the API, people who are told."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from dandelion.domain import ModelVersion, Split
from dandelion.objects import ObjectStore, create_store
from dandelion.package import open_package
from dandelion.package.starter import starter_path
from dandelion.registry import Registry, create_registry
from dandelion.settings import Settings
from dandelion.training.config import TrainingConfig
from dandelion.training.photos import scan_photos
from dandelion.training.splits import assign_splits
from tests.photos import photos_folder
from tests.servers.api import ApiProcess
from tests.servers.mlflow import MlflowServer
from tests.servers.mysql import MySqlServer
from tests.servers.s3 import S3Server
from tests.servers.scripted import Handler, listening
from tests.waiting import wait_until

# A short recipe, and real: EfficientNet-Lite0 from the starter's weights, on small inputs.
ARCHITECTURE, SIZE, EPOCHS = "tf_efficientnet_lite0", 96, 2
# Torch's threads spin while they wait, which costs most where many processes share two cores.
THREADS = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


@dataclass
class Told:
    """What a webhook received."""

    url: str = ""
    messages: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture(scope="session")
def told() -> Iterator[Told]:
    """A webhook of somebody who is told."""
    found = Told()

    class Hook(Handler):
        def do_POST(self) -> None:
            found.messages.append(json.loads(self.read_body()))
            self.answer(200, b"")

    with listening(Hook) as url:
        found.url = url.replace("http:", "json:") + "/hook"
        yield found


@dataclass
class Stage:
    """A model in service, a lake, and whoever retrains.

    Attributes:
        settings: Of all processes.
        env: The same as variables.
        api: The API.
        mlflow: The registry's server.
        registry: The registry.
        store: The object store.
        photos: The folder of all photos, a third of which the champion has seen.
    """

    settings: Settings
    env: dict[str, str]
    api: ApiProcess
    mlflow: MlflowServer
    registry: Registry
    store: ObjectStore
    photos: Path

    def version(self) -> str:
        """What the API serves now."""
        return str(httpx.get(f"{self.api.url}/model", timeout=30).json()["version"])

    def champion(self) -> str:
        found = self.registry.find_alias("champion")
        assert found is not None
        return found.version

    def promote(self, version: str) -> None:
        """Let `version` serve and wait until it does."""
        self.registry.promote(version)
        wait_until(lambda: self.version() == version, f"version {version} is in service", seconds=120, every=0.2)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter's features as a weights file: what a hub would give."""
    from safetensors.torch import save_file

    from dandelion.training.dataset import PhotoSet
    from dandelion.training.unfold import unfold

    package = open_package(starter_path())
    some = sorted(photos_folder().glob("*/*.jpg"))[::10]
    state = unfold(package, PhotoSet(some, [0] * len(some), package.manifest.input).served())
    path = tmp_path_factory.mktemp("weights") / "lite0.safetensors"
    save_file(state, path)
    return path


@pytest.fixture(scope="session")
def make_stage(
    tmp_path_factory: pytest.TempPathFactory,
    mysql: MySqlServer,
    minio: S3Server,
    mlflow: MlflowServer,
    weights: Path,
    told: Told,
) -> Iterator[Callable[..., Stage]]:
    """Make a stage by its name: a database, buckets and a model of its own, and a weak champion in service."""
    stages: list[Stage] = []

    def make(name: str, **more: str) -> Stage:
        mysql.create(name)
        home = tmp_path_factory.mktemp(name)
        env = {
            "DANDELION_HOME": str(home),
            "DANDELION_DATABASE__URL": mysql.url(name),
            "DANDELION_OBJECTS__URL": minio.url,
            "DANDELION_OBJECTS__ACCESS_KEY": minio.keys["access_key"],
            "DANDELION_OBJECTS__SECRET_KEY": minio.keys["secret_key"],
            "DANDELION_OBJECTS__BUCKET_PREFIX": f"{name}-",
            "DANDELION_REGISTRY__URI": mlflow.url,
            "DANDELION_REGISTRY__TIMEOUT_SECONDS": "60",
            "DANDELION_MODEL__NAME": name,
            "DANDELION_MODEL__POLL_SECONDS": "0.5",
            "DANDELION_JOURNAL__PHOTOS": "all",
            "DANDELION_JOURNAL__SHIP_SECONDS": "0.1",
            "DANDELION_RETRAINING__ARCHITECTURE": ARCHITECTURE,
            "DANDELION_RETRAINING__WEIGHTS": str(weights),
            "DANDELION_RETRAINING__IMAGE_SIZE": str(SIZE),
            "DANDELION_RETRAINING__EPOCHS": str(EPOCHS),
            "DANDELION_RETRAINING__MAX_P95_SECONDS": "60",
            "DANDELION_RELEASE__MAX_LATENCY_MS": "5000",
            "DANDELION_RELEASE__MAX_ECE": "0.3",
            "DANDELION_NOTIFY__URLS": json.dumps([told.url]),
            **THREADS,
            **more,
        }
        api = ApiProcess(home, env)
        env["DANDELION_RELEASE__API_URL"] = api.url
        settings = settings_of(env)
        store = create_store(settings)
        store.prepare()
        registry = create_registry(settings)
        stage = Stage(settings, env, api, mlflow, registry, store, photos_folder())
        registry.promote(weak_champion(registry, home).version)
        api.start()
        stages.append(stage)
        return stage

    yield make
    for stage in stages:
        stage.api.end()


def settings_of(env: Mapping[str, str]) -> Settings:
    """Settings as a process with that environment reads them."""
    before = dict(os.environ)
    os.environ.update(env)
    try:
        return Settings()
    finally:
        os.environ.clear()
        os.environ.update(before)


def a_third(folder: Path) -> tuple[Path, dict[str, Split]]:
    """A folder with every third photo, and the split of every photo as the whole set has it."""
    assigned = assign_splits(scan_photos(photos_folder()))
    for photo in assigned[::3]:
        place = folder / photo.label / photo.path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(photo.path)
    return folder, {photo.sha256: photo.split for photo in assigned if photo.split}


def weak_champion(registry: Registry, home: Path) -> ModelVersion:
    """A tiny network from scratch, after few epochs on a third of the photos, registered."""
    from dandelion.training.run import train
    from dandelion.training.tracking import Tracker

    folder, known = a_third(home / "third")
    recipe = TrainingConfig(architecture="test_resnet", pretrained="off", image_size=64, epochs=3)
    trained = train(
        folder,
        recipe,
        home / "weak",
        tracker=Tracker(registry, on_trial=False),
        command="tests",
        known=known,
    )
    assert trained.version is not None
    return trained.version
