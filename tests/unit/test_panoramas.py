"""Panoramas: several views, of which one stands for the photo; ordinary photos never notice."""

from __future__ import annotations

import io
from collections.abc import Callable
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Never

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from pydantic import ValidationError

from dandelion.domain import InputSpec, ModelRef, Prediction
from dandelion.domain.arrays import Floats, Pixels
from dandelion.errors import NotAnImageError, PhotoError, PhotoTooLargeError
from dandelion.imaging import jpeg as headers
from dandelion.imaging import prepare
from dandelion.imaging.prepare import (
    MAX_VIEWS,
    MIN_VIEW_SIDE,
    PANORAMA_RATIO,
    PreparedPhoto,
    crop_box,
    cut_views,
    view_boxes,
)
from dandelion.inference import classifier
from dandelion.inference.classifier import Classification, Classifier
from dandelion.inference.service import PredictionService
from dandelion.inference.source import Found
from dandelion.package import Manifest, Neighbours, open_package
from dandelion.package.panorama import choose_view
from dandelion.package.starter import starter_path
from dandelion.settings import InferenceSettings, Settings
from dandelion.telemetry.instruments import REGISTRY
from tests.photos import jpeg, labelled_photos

SPEC = InputSpec(64, 64)


@pytest.fixture(scope="module")
def model() -> Classifier:
    return Classifier.load(open_package(starter_path()), InferenceSettings())


@pytest.fixture(scope="module")
def motifs(model: Classifier) -> tuple[Image.Image, Image.Image]:
    """A flower and a lawn that the model is sure of."""
    photos = labelled_photos()
    best: dict[str, tuple[float, bytes]] = {}
    for (_, data), found in zip(photos, model.classify([data for _, data in photos]), strict=True):
        assert isinstance(found, Classification)
        best[found.label] = max(best.get(found.label, (0.0, b"")), (found.confidence, data))
    flower, lawn = (Image.open(io.BytesIO(best[label][1])).convert("RGB") for label in ("dandelion", "grass"))
    return flower, lawn


def encode(picture: Image.Image, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()


def panorama(lawn: Image.Image, flower: Image.Image | None, ratio: float, place: float, *, tall: bool = False) -> bytes:
    """Grass for `ratio` times its height, with the flower at `place` along it, from 0 to 1; or the same upright."""
    parts = [ImageOps.fit(each, (240, 240)) if each else None for each in (lawn, flower)]
    canvas = Image.new("RGB", (round(240 * ratio), 240))
    for left in range(0, canvas.width, 240):
        canvas.paste(parts[0], (left, 0))  # type: ignore[arg-type]
    if parts[1] is not None:
        canvas.paste(parts[1], (round(place * (canvas.width - 240)), 0))
    return encode(canvas.transpose(Image.Transpose.ROTATE_270) if tall else canvas)


def never(views: Pixels) -> int:
    raise AssertionError("an ordinary photo has no views to choose from")


@pytest.mark.parametrize(
    "size", [(1920, 1080), (1080, 2400), (2400, 1080), (1260, 540), (300, 300), (1, 1), (1000, 417)]
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_ordinary_photos_are_prepared_as_ever_bit_for_bit(size: tuple[int, int], kind: str) -> None:
    """Up to 21:9: only the middle, in one resampling."""
    noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    data = encode(Image.fromarray(noise), kind)
    prepared = prepare(data, SPEC, choose=never)
    assert np.array_equal(prepared, prepare(data, SPEC))
    if kind == "PNG" and min(size) < 200:  # else the decoder has reduced it
        expected = Image.fromarray(noise).resize((64, 64), Image.Resampling.BICUBIC, crop_box(size[1], size[0], SPEC))
        assert np.array_equal(prepared, np.asarray(expected))


@given(st.integers(1, 70_000), st.integers(1, 70_000), st.sampled_from([(64, 64), (48, 96)]))
@example(32, 2_000_000, (64, 64))
@example(2_000_000, 32, (64, 64))
@example(1, 17, (64, 64))
def test_views_cover_a_panorama_and_overlap(rows: int, columns: int, size: tuple[int, int]) -> None:
    spec = InputSpec(*size)
    boxes = view_boxes(rows, columns, spec)
    ratio = columns / rows * spec.height / spec.width
    if max(ratio, 1 / ratio) <= PANORAMA_RATIO or min(rows, columns) < MIN_VIEW_SIDE:
        assert boxes == [crop_box(rows, columns, spec)]
        return
    assert 2 < len(boxes) <= MAX_VIEWS
    assert len(boxes) % 2
    first, middle = boxes[0], boxes[len(boxes) // 2]
    assert sum(middle[::2]) == pytest.approx(columns)
    assert sum(middle[1::2]) == pytest.approx(rows)
    assert middle[2] - middle[0] == pytest.approx(first[2] - first[0])
    along = [(left, right, columns) for left, _, right, _ in boxes]
    if ratio < 1:
        along = [(top, bottom, rows) for _, top, _, bottom in boxes]
    length = along[0][2]
    assert along[0][0] == 0
    assert along[-1][1] == pytest.approx(length)
    for (start, end, _), (following, _, _) in pairwise(along):
        assert start < following <= end + 1e-6 * length
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= columns
        assert 0 <= top < bottom <= rows
    if max(ratio, 1 / ratio) <= (MAX_VIEWS + 1) / 2:
        assert all(2 * (b[0] - a[0]) <= (a[1] - a[0]) * (1 + 1e-9) for a, b in pairwise(along))


@pytest.mark.parametrize("tall", [False, True])
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("ratio", [2.5, 4.0, 9.0])
def test_a_dandelion_is_found_wherever_it_is(
    model: Classifier, motifs: tuple[Image.Image, Image.Image], ratio: float, place: float, *, tall: bool
) -> None:
    flower, lawn = motifs
    (found,) = model.classify([panorama(lawn, flower, ratio, place, tall=tall)])
    assert isinstance(found, Classification)
    assert found.label == "dandelion"
    assert sum(found.probabilities.values()) == pytest.approx(1)
    _, (left, top, right, bottom) = model.view(panorama(lawn, flower, ratio, place, tall=tall))
    first, last = (top, bottom) if tall else (left, right)
    start = place * (1 - 1 / ratio)
    assert first < start + 1 / ratio
    assert last > start


def test_a_panorama_without_flowers_is_grass(model: Classifier, motifs: tuple[Image.Image, Image.Image]) -> None:
    for ratio in (2.5, 6.0, 20.0):
        (found,) = model.classify([panorama(motifs[1], None, ratio, 0)])
        assert isinstance(found, Classification)
        assert found.label == "grass"


def test_a_panorama_is_its_view_to_everything_that_follows(
    model: Classifier, motifs: tuple[Image.Image, Image.Image]
) -> None:
    """In a batch with others, in their order: probabilities, embedding and what is measured for drift."""
    wide, tall = (panorama(motifs[1], motifs[0], 4, 1, tall=tall) for tall in (False, True))
    seen: list[Pixels] = []
    photos = [jpeg(), wide, jpeg(160, 120), tall]
    results = model.classify(photos, lambda _, pixels, *__: seen.append(pixels))
    assert [batch.shape for batch in seen] == [(4, 192, 192, 3)]
    for photo, result, pixels in zip(photos, results, seen[0], strict=True):
        assert isinstance(result, Classification)
        view, _ = model.view(photo)
        assert np.array_equal(view, pixels)
        (alone,) = model.classify([photo])
        assert isinstance(alone, Classification)
        assert alone.probabilities == pytest.approx(result.probabilities, abs=0.01)
        assert np.allclose(alone.embedding, result.embedding, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("size", [(1, 1000), (1000, 1), (1, 65_000), (3_000_000, 1), (7, 90_000)])
def test_slivers_are_classified(model: Classifier, size: tuple[int, int]) -> None:
    (found,) = model.classify([encode(Image.new("RGB", size, (40, 120, 30)))])
    assert isinstance(found, Classification)


def test_slivers_of_too_many_pixels_are_refused() -> None:
    with pytest.raises(PhotoTooLargeError):
        prepare(encode(Image.new("1", (1, 3_000_000))), SPEC, max_pixels=2_000_000, choose=never)


def test_the_explanation_lies_where_the_model_found_the_flower(
    tmp_path: Path, motifs: tuple[Image.Image, Image.Image]
) -> None:
    service = PredictionService(Settings.model_validate({"home": tmp_path}))
    try:
        service.swap(Found(ModelRef(name="test", version="1"), open_package(starter_path())))
        flower, lawn = motifs
        data = panorama(lawn, flower, 5, 1)
        shown = Image.open(io.BytesIO(service.explain(data, None, 0.9))).convert("RGB")
        plain = Image.open(io.BytesIO(data)).convert("RGB").resize(shown.size, Image.Resampling.LANCZOS)
        changed = np.abs(np.asarray(shown).astype(int) - np.asarray(plain)).max(axis=(0, 2)) > 40
        _, (left, _, right, _) = service.serving.classifier.view(data)
        assert left >= 0.6
        assert changed[round(left * shown.width) : round(right * shown.width)].mean() > 0.5
        assert not changed[: round(left * shown.width) - 1].any()
    finally:
        service.close()


async def test_ordinary_photos_do_not_wait_behind_panoramas(tmp_path: Path) -> None:
    order: list[list[int]] = []
    settings = Settings.model_validate({"home": tmp_path, "inference": {"workers": 1}})
    service = PredictionService(settings, lambda _, __, photos, *___: order.append([len(each) for each in photos]))
    try:
        service.swap(Found(ModelRef(name="test", version="1"), open_package(starter_path())))
        wide, plain = encode(Image.new("RGB", (400, 100))), jpeg()
        results = await service.predict([wide, wide, wide, plain, wide, plain])
        assert all(isinstance(each, Prediction) for each in results)
    finally:
        service.close()
    assert order == [[len(plain)] * 2, *[[len(wide)]] * 4]


NEIGHBOURS = Neighbours(np.array([[1.0, 0.0]], dtype=np.float32), k=1)


def logits(*rows: tuple[float, ...]) -> Floats:
    return np.array(rows, dtype=np.float32)


def test_the_view_that_shows_something_besides_the_background_stands_for_the_photo() -> None:
    """However sure the model is of the background elsewhere, and whichever of the other classes it is."""
    places = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    rows = logits((0, 9, 0), (0, 1, 3), (2, 1, 0))
    assert choose_view(rows, places, NEIGHBOURS, background=1) == 1
    assert choose_view(rows, places, NEIGHBOURS, background=2) == 0


@pytest.mark.parametrize(("threshold", "chosen"), [(0.3, 1), (0.29, 2)])
def test_without_a_background_it_is_the_middle_or_the_most_familiar_view_if_that_is_unfamiliar(
    threshold: float, chosen: int
) -> None:
    places = np.array([[0, 1], [1, 1], [2, 0.1]], dtype=np.float32)  # the middle scores 1 - cos(45 degrees) = 0.293
    found = choose_view(
        logits((9, 0), (1, 0), (0, 9)), places, NEIGHBOURS, background=None, outlier_threshold=threshold
    )
    assert found == chosen


def test_the_choice_is_between_calibrated_probabilities(model: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three or more classes another temperature may choose another view."""
    places = np.ones((2, 2), dtype=np.float32)
    rows = logits((6, 5.5, 0), (2, 0, 0.5))
    choices = [choose_view(rows / temperature, places, NEIGHBOURS, background=2) for temperature in (1.0, 3.0)]
    assert choices == [1, 0]
    seen: list[Floats] = []

    def note(rows: Floats, *_: object, **__: object) -> int:
        seen.append(rows)
        return 0

    monkeypatch.setattr(classifier, "choose_view", note)
    data = encode(Image.new("RGB", (300, 100), (40, 120, 30)))
    model.view(data)
    output = model._runtime.run(model.cut(data).pixels)
    assert np.allclose(seen[0] * model.manifest.temperature, output.logits, rtol=1e-3)


def test_a_narrow_strip_costs_one_inference(model: Classifier) -> None:
    for size in ((17, 1), (1000, MIN_VIEW_SIDE - 1), (3, 90_000)):
        assert len(model.cut(encode(Image.new("RGB", size))).pixels) == 1
    assert len(model.cut(encode(Image.new("RGB", (1000, MIN_VIEW_SIDE)))).pixels) == MAX_VIEWS


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_a_panorama_is_known_by_its_header(model: Classifier, kind: str) -> None:
    for size in ((400, 100), (100, 400), (240, 100), (300, 300), (40_000 // 3, 31)):
        data = encode(Image.new("RGB", size), kind)
        assert (model.classify_ordinary([data]) == [None]) == (len(model.cut(data).pixels) > 1)
    (damaged,) = model.classify_ordinary([encode(Image.new("RGB", (400, 100)), kind)[:20]])
    assert isinstance(damaged, PhotoError)
    (of_another_size,) = model.classify_ordinary([PreparedPhoto.copy(np.zeros((192, 600, 3), dtype=np.uint8))])
    assert isinstance(of_another_size, PhotoError)


def test_only_ordinary_photos_are_decoded_and_classified_as_ever(model: Classifier) -> None:
    """In their order, among panoramas and damaged photos."""
    wide = encode(Image.new("RGB", (400, 100)), "TIFF")
    photos = [wide, jpeg(), wide, b"none", jpeg(160, 120), wide]
    before = REGISTRY.get_sample_value("prediction_decode_seconds_count") or 0.0
    found = model.classify_ordinary(photos)
    assert (REGISTRY.get_sample_value("prediction_decode_seconds_count") or 0.0) - before == 3
    assert [type(each) for each in found] == [
        *(type(None), Classification, type(None)),
        *(NotAnImageError, Classification, type(None)),
    ]
    every = model.classify([each for each in photos if each != wide])
    for ordinary, ever in zip((each for each in found if each is not None), every, strict=True):
        if isinstance(ordinary, Classification):
            assert isinstance(ever, Classification)
            assert ordinary.probabilities == ever.probabilities


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF", "PNG"])
async def test_the_header_of_an_ordinary_photo_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    reads: list[int] = []
    # The package's `decode` is the function.
    for module, name in ((import_module("dandelion.imaging.decode"), "_open"), (headers, "read_head")):
        read = getattr(module, name)

        def note(data: bytes, read: Callable[[bytes], object] = read) -> object:
            reads.append(len(data))
            return read(data)

        monkeypatch.setattr(module, name, note)
    service = PredictionService(Settings.model_validate({"home": tmp_path}))
    try:
        service.swap(Found(ModelRef(name="test", version="1"), open_package(starter_path())))
        await service.predict([encode(Image.new("RGB", (300, 200)), kind)])
    finally:
        service.close()
    assert len(reads) == 1


def test_a_failing_engine_is_not_blamed_on_the_panorama(model: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Pixels) -> Never:
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(model, "_runtime", SimpleNamespace(run=fail))
    with pytest.raises(RuntimeError, match="out of memory"):
        model.classify([encode(Image.new("RGB", (400, 100)))])


def test_decoding_ends_before_the_views_are_run(model: Classifier) -> None:
    """In the metrics and in the spans."""

    def counts() -> tuple[float, float, float]:
        names = ("decode_seconds_count", "inference_seconds_count", "inference_seconds_sum")
        found = [REGISTRY.get_sample_value(f"prediction_{name}") or 0.0 for name in names]
        return found[0], found[1], found[2]

    before = counts()
    (found,) = model.classify([encode(Image.new("RGB", (400, 100)))])
    decoded, inferred, seconds = (now - then for now, then in zip(counts(), before, strict=True))
    assert (decoded, inferred) == (1, 2)
    assert isinstance(found, Classification)
    started, ended = found.stages["inference"]
    assert found.stages["decode"][1] <= started
    assert ended - started >= 1e9 * seconds


@pytest.mark.parametrize("size", [(20_000, 64), (64, 20_000)])
def test_a_panorama_is_never_copied_whole(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    """A copy, of 4 bytes a pixel for each worker, would be most of a pod's memory."""
    copied: list[int] = []
    copy = Image.fromarray

    def note(pixels: Pixels) -> Image.Image:
        copied.append(pixels.shape[0] * pixels.shape[1])
        return copy(pixels)

    data = encode(Image.new("RGB", size))
    monkeypatch.setattr(Image, "fromarray", note)
    assert len(cut_views(data, SPEC).pixels) == len(copied) == MAX_VIEWS
    assert max(copied) < 1.1 * size[0] * size[1] / MAX_VIEWS


def test_the_place_of_a_view_is_its_share_of_the_photo() -> None:
    gradient = np.tile(np.linspace(0, 255, 640, dtype=np.uint8)[None, :, None], (64, 1, 3))
    data = encode(Image.fromarray(gradient))
    for chosen in (0, 4, 8):
        views = cut_views(data, SPEC)
        pixels, (left, top, right, bottom) = views.pixels[chosen], views.boxes[chosen]
        assert (top, bottom) == (0, 1)
        assert pixels.mean() == pytest.approx(255 * (left + right) / 2, abs=3)


def test_a_background_must_be_a_class() -> None:
    manifest = open_package(starter_path()).manifest
    assert manifest.background == "grass"
    with pytest.raises(ValidationError, match="'moss' is none of the classes"):
        Manifest.model_validate(manifest.model_dump() | {"background": "moss"})
