"""Photos in, predictions out, as a visitor sees them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.corpus import corpus
from tests.photos import labelled_photos
from tests.servers.product import Running
from tests.ui.conftest import Open
from tests.waiting import wait_until


@pytest.mark.parametrize("number", [0, 1])
def test_a_real_photo_of_each_class_is_classified_with_a_heat_map(open_page: Open, number: int) -> None:
    label, photo = labelled_photos(per_class=1)[number]
    with open_page() as visitor:
        visitor.drop(("lawn.jpg", photo))
        visitor.page.locator("#answer h2").get_by_text(label, exact=True).wait_for()
        assert visitor.page.locator("#answer meter").count() == 2
        assert "by version" in visitor.text_of("#answer")
        picture = visitor.page.locator("#heatmap img")
        picture.wait_for()
        before = picture.get_attribute("src")
        visitor.page.locator("#strength input[type=range]").press("ArrowRight")
        visitor.page.wait_for_function(
            "before => document.querySelector('#heatmap img').getAttribute('src') !== before", arg=before
        )


def test_examples_are_classified_and_shown(open_page: Open) -> None:
    with open_page() as visitor:
        for number in (1, 2):
            visitor.page.get_by_alt_text(f"Example {number}").click()
            visitor.page.locator("#answer h2").wait_for()
        shown = visitor.page.locator("#answered img")
        shown.nth(1).wait_for()
        for number in (0, 1):
            visitor.wait_for_picture(shown.nth(number))


def test_one_click_marks_a_prediction_as_right_or_wrong(open_page: Open, up: Running) -> None:
    label, photo = labelled_photos(per_class=1)[0]
    with open_page() as visitor:
        visitor.drop(("marked.jpg", photo))
        visitor.page.locator("#answer h2").wait_for()
        visitor.page.get_by_role("button", name="Right").click()
        visitor.wait_for_text("#answer", "Marked as right")
        visitor.page.get_by_role("button", name="Wrong").click()
        visitor.wait_for_text("#answer", "Marked as wrong")
    newest = httpx.get(f"{up.url}/predictions?limit=1").json()["predictions"][0]
    assert newest["label"] == label
    assert newest["verdict"] == "wrong"


def newest(up: Running, prediction_id: str, *, has_it: bool) -> dict[str, Any]:
    """The newest stored prediction, once it has this id, or another."""
    found: list[dict[str, Any]] = []

    def is_there() -> bool:
        found[:] = httpx.get(f"{up.url}/predictions?limit=1").json()["predictions"]
        return bool(found) and (found[0]["prediction_id"] == prediction_id) is has_it

    wait_until(is_there, "the prediction")
    return found[0]


def test_odd_photos_are_classified_as_by_the_api_or_refused(open_page: Open, up: Running) -> None:
    odd = {"HEIF in Display P3": "heic", "TIFF in tiles": "tif", "PNG of 12 bits in 16, colour": "png"}
    odd |= {"JPEG in CMYK with a profile": "jpg", "AVIF with an aperture": "avif", "JPEG without its end": "jpg"}
    photos = {sample.kind: sample.data for sample in corpus()}
    with open_page() as visitor:
        for kind, suffix in odd.items():
            response = httpx.post(f"{up.url}/predict", content=photos[kind], headers={"Content-Type": "image/jpeg"})
            by_api = newest(up, response.json()["prediction_id"], has_it=True)
            visitor.drop((f"photo.{suffix}", photos[kind]), kind="")
            by_page = newest(up, by_api["prediction_id"], has_it=False)
            assert by_page["confidence"] == pytest.approx(by_api["confidence"], abs=0.001), kind
        shown = visitor.page.locator("#answered button.thumbnail-item, #answered button.thumbnail-lg")
        shown.nth(len(odd) - 1).wait_for()
        visitor.drop(("photo.jxl", photos["JPEG XL"]), kind="")
        visitor.wait_for_text("#answer", "This image format is not supported.")
