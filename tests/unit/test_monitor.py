"""The monitor: bounded work, windows that fill, models that change."""

from __future__ import annotations

import numpy as np
import pytest

from dandelion.domain import ModelRef
from dandelion.imaging import PreparedPhoto
from dandelion.monitoring.monitor import MAX_WAITING, DriftMonitor, Seen
from dandelion.package import ModelPackage, open_package
from dandelion.package.starter import starter_path
from dandelion.settings import MonitoringSettings
from dandelion.telemetry import instruments
from tests.photos import jpeg

ONE, TWO = ModelRef(name="dandelion", version="1"), ModelRef(name="dandelion", version="2")


@pytest.fixture(scope="module")
def package() -> ModelPackage:
    return open_package(starter_path())


def seen(package: ModelPackage, ref: ModelRef, count: int, *, shade: int = 128) -> Seen:
    width = package.reference().neighbours.embeddings.shape[1]
    return Seen(
        ref=ref,
        package=package,
        sizes=[15.0] * count,
        pixels=np.full((count, 192, 192, 3), shade, np.uint8),
        embedding=np.ones((count, width), np.float32),
        probabilities=np.tile(np.array([0.9, 0.1], np.float32), (count, 1)),
    )


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def offer(monitor: DriftMonitor, package: ModelPackage, count: int) -> None:
    batch = seen(package, ONE, count)
    photos = [jpeg()] * count
    monitor.offer(ONE, package, photos, batch.pixels, batch.embedding, batch.probabilities)


def looked_at(monitor: DriftMonitor) -> int:
    monitor.start()
    monitor.close()
    return sum(sketch.photos for _, _, sketch in monitor.take())


def test_a_second_brings_no_more_photos_than_the_settings_allow(package: ModelPackage) -> None:
    clock = Clock()
    monitor = DriftMonitor(MonitoringSettings(photos_per_second=10), clock)
    for _ in range(200):  # two seconds of 800 photos a second
        offer(monitor, package, 8)
        clock.now += 0.01
    assert 20 <= looked_at(monitor) <= 30


def test_pixels_that_a_client_prepared_are_not_measured(package: ModelPackage) -> None:
    monitor, batch = DriftMonitor(MonitoringSettings()), seen(package, ONE, 3)
    prepared = PreparedPhoto.copy(batch.pixels[0])
    for photos in ([prepared] * 3, [prepared, jpeg(), prepared]):
        monitor.offer(ONE, package, photos, batch.pixels, batch.embedding, batch.probabilities)
    assert looked_at(monitor) == 1


def test_slow_monitoring_never_holds_more_than_its_queue(package: ModelPackage) -> None:
    clock = Clock()
    monitor = DriftMonitor(MonitoringSettings(photos_per_second=1000), clock)
    for _ in range(MAX_WAITING + 50):
        offer(monitor, package, 1)
        clock.now += 1
    assert looked_at(monitor) == MAX_WAITING


def test_figures_come_with_the_first_full_window_and_name_what_is_strange(package: ModelPackage) -> None:
    monitor = DriftMonitor(MonitoringSettings(drift_window_photos=500))
    for _ in range(4):
        monitor.inspect(seen(package, ONE, 100, shade=10))
    assert monitor.features() == (ONE, [])
    monitor.inspect(seen(package, ONE, 100, shade=10))
    found = monitor.features()
    assert found is not None
    ref, features = found
    assert ref == ONE
    assert {"brightness", "contrast"} <= {each.feature for each in features if each.score >= 1}
    scores = {sample.labels["feature"]: sample.value for sample in next(iter(instruments.DRIFT.collect())).samples}
    assert scores["brightness"] >= 1


def test_another_model_begins_a_window_of_its_own_and_nothing_unsaved_is_lost(package: ModelPackage) -> None:
    monitor = DriftMonitor(MonitoringSettings(drift_window_photos=50))
    monitor.inspect(seen(package, ONE, 60))
    monitor.inspect(seen(package, TWO, 7))
    found = monitor.features()
    assert found is not None
    assert found[0] == TWO
    assert found[1] == []
    assert {ref.version: sketch.photos for ref, _, sketch in monitor.take()} == {"1": 60, "2": 7}
    assert monitor.take() == []
