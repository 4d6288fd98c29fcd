"""Training: repeatable, resumable, and clear about what stops it."""

from __future__ import annotations

import dataclasses
import math
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import timm
import torch
from PIL import Image

from dandelion.domain import InputSpec
from dandelion.errors import DataError, TrainingError, UnknownModelError
from dandelion.inference.classifier import Classification, Classifier
from dandelion.package import open_package
from dandelion.registry import create_registry
from dandelion.settings import InferenceSettings, Settings
from dandelion.training.architecture import Start, create_classifier, input_spec
from dandelion.training.checkpoint import Epoch
from dandelion.training.config import Augmentation, TrainingConfig
from dandelion.training.dataset import PhotoSet
from dandelion.training.fit import fit
from dandelion.training.reading import decode_file
from dandelion.training.run import Stage, train
from dandelion.training.sample import create_sample
from dandelion.training.tracking import Tracker

CONFIG = TrainingConfig(
    architecture="test_resnet",
    pretrained="off",
    image_size=64,
    epochs=3,
    batch_size=16,
    learning_rate=5e-3,
    warmup_epochs=1,
    augmentation=Augmentation(mixing=0.5),
)
SPEC = InputSpec(64, 64)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    create_sample(folder, per_class=40, size=96, seed=3)
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small models are slower with more, and the number of threads is part of a run's identity."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def photo_sets(folder: Path) -> tuple[PhotoSet, PhotoSet]:
    files = sorted(folder.glob("*/*.jpg"))
    targets = [int(file.parent.name == "grass") for file in files]
    return PhotoSet(files[::2], targets[::2], SPEC), PhotoSet(files[1::4], targets[1::4], SPEC)


def fresh() -> Start:
    return create_classifier(CONFIG, 2)


class KilledError(Exception):
    """Stands for a kill between two epochs."""


def weights(start: Start) -> list[torch.Tensor]:
    return list(start.classifier.state_dict().values())


def test_the_same_seed_makes_the_same_model_bit_for_bit(photos: Path) -> None:
    starts = [fresh(), fresh()]
    for start in starts:
        fit(start, *photo_sets(photos), classes=2, spec=SPEC, config=CONFIG)
    assert all(torch.equal(a, b) for a, b in zip(*map(weights, starts), strict=True))


def test_another_seed_makes_another_model(photos: Path) -> None:
    starts = [fresh(), fresh()]
    for seed, start in enumerate(starts):
        fit(start, *photo_sets(photos), classes=2, spec=SPEC, config=dataclasses.replace(CONFIG, seed=seed))
    assert not all(torch.equal(a, b) for a, b in zip(*map(weights, starts), strict=True))


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(photos: Path, tmp_path: Path) -> None:
    whole, resumed = fresh(), fresh()
    fit(whole, *photo_sets(photos), classes=2, spec=SPEC, config=CONFIG)

    def kill(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise KilledError

    checkpoint = tmp_path / "run.ckpt"
    with pytest.raises(KilledError):
        fit(fresh(), *photo_sets(photos), classes=2, spec=SPEC, config=CONFIG, checkpoint=checkpoint, on_epoch=kill)
    seen: list[int] = []
    fit(
        resumed,
        *photo_sets(photos),
        classes=2,
        spec=SPEC,
        config=CONFIG,
        checkpoint=checkpoint,
        resume=True,
        on_epoch=lambda epoch: seen.append(epoch.number),
    )
    assert seen == [3]
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(resumed), strict=True))


def test_a_checkpoint_of_another_recipe_is_refused(photos: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.ckpt"
    fit(fresh(), *photo_sets(photos), classes=2, spec=SPEC, config=CONFIG, checkpoint=checkpoint)
    other = dataclasses.replace(CONFIG, batch_size=8)
    with pytest.raises(TrainingError, match="batch_size=16, this one has 8"):
        fit(fresh(), *photo_sets(photos), classes=2, spec=SPEC, config=other, checkpoint=checkpoint, resume=True)


def test_a_run_without_progress_stops_early(photos: Path) -> None:
    still = dataclasses.replace(CONFIG, epochs=30, learning_rate=1e-12, patience=2)
    history = fit(fresh(), *photo_sets(photos), classes=2, spec=SPEC, config=still)
    assert len(history) < 30


def test_an_unknown_model_is_answered_with_the_nearest_names() -> None:
    with pytest.raises(UnknownModelError, match="resnet10t"):
        create_classifier(dataclasses.replace(CONFIG, architecture="resnet10"), 2)


def test_a_hub_that_does_not_answer_is_said_and_the_run_starts_from_scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    start = create_classifier(dataclasses.replace(CONFIG, pretrained="auto", architecture="resnet10t"), 2)
    assert not start.pretrained
    assert start.weights.startswith("from scratch (the hub did not respond")


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"nothing": torch.zeros(1)}, path)
    with pytest.raises(TrainingError, match="do not fit test_resnet"):
        create_classifier(dataclasses.replace(CONFIG, pretrained=str(path)), 2)


def test_weights_from_a_file_are_taken_but_for_the_last_layer(tmp_path: Path) -> None:
    torch.manual_seed(5)
    path = tmp_path / "weights.pth"
    other = timm.create_model("test_resnet", num_classes=7)
    torch.save(other.state_dict(), path)
    start = create_classifier(dataclasses.replace(CONFIG, pretrained=str(path)), 2)
    assert start.pretrained
    assert start.weights == "weights from weights.pth"
    theirs, ours = other.state_dict(), start.classifier.state_dict()
    same = [name for name in ours if ours[name].shape == theirs[name].shape and torch.equal(ours[name], theirs[name])]
    assert set(ours) - set(same) == {"fc.weight", "fc.bias"}


def test_weights_under_another_librarys_names_are_taken_in_order(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    other = timm.create_model("test_resnet", num_classes=7)
    torch.save({f"net.{number}": value for number, value in enumerate(other.state_dict().values())}, path)
    start = create_classifier(dataclasses.replace(CONFIG, pretrained=str(path)), 2)
    assert torch.equal(start.classifier.state_dict()["conv1.0.weight"], other.state_dict()["conv1.0.weight"])


def test_pretrained_features_change_less_than_the_last_layer(photos: Path, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(timm.create_model("test_resnet", num_classes=7).state_dict(), path)
    still = dataclasses.replace(CONFIG, pretrained=str(path), features_rate=0.0)
    start = create_classifier(still, 2)
    before = {name: value.clone() for name, value in start.classifier.named_parameters()}
    fit(start, *photo_sets(photos), classes=2, spec=SPEC, config=still)
    moved = {name for name, value in start.classifier.named_parameters() if not torch.equal(value, before[name])}
    assert moved == {"fc.weight", "fc.bias"}


@pytest.mark.parametrize("architecture", ["resnet10t", "tf_efficientnet_lite0", "mobilenetv3_small_100"])
def test_a_fresh_model_begins_with_even_odds(architecture: str) -> None:
    start = create_classifier(dataclasses.replace(CONFIG, architecture=architecture), 2)
    with torch.inference_mode():
        odds = start.classifier.eval()(torch.randn(4, 3, 96, 96)).softmax(1)
    assert (odds - 0.5).abs().max() < 0.2


def test_photos_are_normalised_as_the_published_weights_expect() -> None:
    assert input_spec(dataclasses.replace(CONFIG, architecture="tf_efficientnet_lite0")).mean == (0.5, 0.5, 0.5)
    assert input_spec(dataclasses.replace(CONFIG, architecture="resnet10t")).mean == (0.485, 0.456, 0.406)


def test_a_run_ends_in_a_sound_package_registered_with_its_plots(photos: Path, tmp_path: Path) -> None:
    registry = create_registry(Settings(home=tmp_path / "home"))
    stages: list[str] = []
    trained = train(
        photos,
        dataclasses.replace(CONFIG, folds=2),
        tmp_path / "out",
        tracker=Tracker(registry),
        command="dandelion train --data photos",
        on_epoch=lambda stage, epoch: stages.append(stage.name),
    )
    package = open_package(trained.package)
    assert package.manifest.classes == ("dandelion", "grass")
    assert "background" not in (package.path / "model.json").read_text()
    assert "dandelion train --data photos" in package.card
    assert package.metrics()["cv_folds"] == 2
    assert set(stages) == {"fold 1 of 2", "fold 2 of 2", "model"}
    assert trained.version is not None
    assert trained.version.aliases == ("challenger", "champion")
    assert registry.download(trained.version, tmp_path / "cache").digest == package.digest
    run = registry.client.get_run(str(trained.version.run_id))
    plots = {Path(each.path).name for each in registry.client.list_artifacts(run.info.run_id, "plots")}
    assert plots == {
        "learning_curves.png",
        "confusion_matrix.png",
        "roc.png",
        "reliability.png",
        "worst_mistakes.png",
    }
    assert run.info.status == "FINISHED"
    assert math.isclose(run.data.metrics["test.accuracy"], trained.metrics["accuracy"])

    data = [path.read_bytes() for path in sorted(photos.glob("*/*.jpg"))[:9]]
    engines = [InferenceSettings(runtime="torch"), InferenceSettings(runtime="openvino", precision="float32")]
    torch_answers, openvino_answers = (Classifier.load(package, engine).classify(data) for engine in engines)
    for ours, theirs in zip(torch_answers, openvino_answers, strict=True):
        assert isinstance(ours, Classification)
        assert isinstance(theirs, Classification)
        assert ours.probabilities == pytest.approx(theirs.probabilities, abs=0.02)

    wide = Path(shutil.copytree(photos, tmp_path / "wide"))
    for number, photo in enumerate(sorted(wide.glob("*/*.jpg"))[::4]):
        Image.open(photo).resize((400, 96 + number)).save(photo)
    config = dataclasses.replace(CONFIG, background="grass")
    second = train(wide, config, tmp_path / "out", tracker=Tracker(registry), command="again")
    assert second.version is not None
    assert second.version.aliases == ("challenger",)
    package = open_package(second.package)
    assert package.manifest.background == "grass"
    assert "Photos beyond 2.4:1 are seen as square views" in package.card
    assert "something other than grass" in package.card


def test_photos_of_a_split_are_prepared_as_in_serving(photos: Path, tmp_path: Path) -> None:
    """Panoramas too, once there is a model to choose among their views."""
    plain, wide = next(photos.glob("*/*.jpg")), tmp_path / "wide.jpg"
    Image.open(plain).resize((600, 90)).save(wide)
    shown = PhotoSet([plain, wide], [0, 0], SPEC)
    first, last = shown.served(lambda views: 0), shown.served(lambda views: len(views) - 1)
    middle = shown.served()
    assert (first[0] == middle[0]).all()
    assert (last[0] == middle[0]).all()
    assert len({picture[1].tobytes() for picture in (first, middle, last)}) == 3


def test_what_is_augmented_is_decoded_as_the_corpus_is(photos: Path) -> None:
    """By what `test_training_corpus` tries on photos of every kind."""
    files = sorted(photos.glob("*/*.jpg"))[:2]
    shown = PhotoSet(files, [0, 0], SPEC)
    for index, file in enumerate(files):
        assert (shown.decoded(index).permute(1, 2, 0).numpy() == decode_file(file, SPEC)).all()


def test_a_background_that_is_no_class_is_refused(photos: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, background="moss")
    with pytest.raises(DataError, match=r"no class 'moss'.*dandelion, grass"):
        train(photos, config, tmp_path / "out", tracker=Tracker(None), command="x")


@contextmanager
def vanishing(folder: Path) -> Iterator[Path]:
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_photos_that_vanish_stop_the_run_and_register_nothing(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(photos, tmp_path / "photos"))
    monkeypatch.setattr("dandelion.training.dataset.CACHE_BYTES", 0)
    registry = create_registry(Settings(home=tmp_path / "home"))

    def vanish(stage: Stage, epoch: Epoch) -> None:
        shutil.rmtree(folder, ignore_errors=True)

    with pytest.raises(DataError, match="can no longer be read"):
        train(folder, CONFIG, tmp_path / "out", tracker=Tracker(registry), command="x", on_epoch=vanish)
    assert registry.list_versions() == []
    runs = registry.client.search_runs([registry.experiment_id()])
    assert [run.info.status for run in runs] == ["FAILED"]


@pytest.mark.parametrize("classes", [[], ["dandelion"]])
def test_a_folder_without_two_classes_is_refused(photos: Path, tmp_path: Path, classes: list[str]) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in classes:
        shutil.copytree(photos / name, folder / name)
    with pytest.raises(DataError):
        train(folder, CONFIG, tmp_path / "out", tracker=Tracker(None), command="x")


def test_a_class_whose_answers_could_not_be_stored_stops_the_run_before_it_begins(photos: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(photos, tmp_path / "photos"))
    (folder / "grass").rename(folder / ("g" * 101))
    with pytest.raises(DataError, match="name of 101 characters"):
        train(folder, CONFIG, tmp_path / "out", tracker=Tracker(None), command="x")


def test_a_full_disk_stops_the_run_with_the_remedy(photos: Path, tmp_path: Path) -> None:
    # A limit on the size of files is what a process sees of a full disk, without filling anybody's.
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "from dandelion.cli import main\n"
        f"sys.argv = ['dandelion', 'train', '--data', {str(photos)!r}, '--model', 'test_resnet', '--size', '64',\n"
        f"  '--epochs', '2', '--pretrained', 'off', '--no-register', '--output', {str(tmp_path / 'out')!r}]\n"
        "sys.exit(main())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 2, result.stderr
    assert "cannot be written" in result.stderr
    assert "Free some disk space" in result.stderr
