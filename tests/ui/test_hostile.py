"""Hostile input: odd files, many files, an API that stops and restarts, and scripts in names."""

from __future__ import annotations

import io
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser

from tests.packages import make_package
from tests.photos import jpeg, labelled_photos
from tests.servers.browser import visit
from tests.servers.product import Launcher, Running
from tests.ui.conftest import Open, keep_picture

SCRIPT = "<img src=x onerror=alert(1)><script>alert(2)</script>"


def test_a_text_named_like_a_photo_is_said_to_be_none(open_page: Open) -> None:
    with open_page() as visitor:
        visitor.drop(("holiday.jpg", b"Dear diary, this is no photo."))
        visitor.wait_for_text("#answer", "This is not a photo, or it is damaged.")
        assert visitor.page.get_by_role("button", name="Right").is_hidden()


def test_a_photo_of_40_megapixels_is_classified(open_page: Open) -> None:
    rows, columns = np.mgrid[0:5000, 0:8000]
    pixels = np.stack([rows % 256, columns % 256, (rows + columns) % 256], axis=-1).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=60)
    assert len(stream.getvalue()) < 32 * 1024 * 1024
    with open_page() as visitor:
        visitor.drop(("huge.jpg", stream.getvalue()))
        visitor.page.locator("#answer h2").wait_for(timeout=60_000)
        visitor.page.locator("#heatmap img").wait_for(timeout=60_000)


def test_fifty_photos_at_once_are_all_classified(open_page: Open) -> None:
    photos = [(f"{number:02}.jpg", photo) for number, (_, photo) in enumerate(labelled_photos(per_class=25))]
    with open_page() as visitor:
        visitor.drop(*photos)
        visitor.wait_for_text("#answer", "50 photos:", seconds=120)
        assert "without a prediction" not in visitor.text_of("#answer")
        shown = visitor.page.locator("#answered button.thumbnail-item, #answered button.thumbnail-lg")
        assert shown.count() == 50
        shown.nth(40).click()
        visitor.wait_for_text("#answer", "40.jpg")
        keep_picture(visitor, "fifty-photos")


@pytest.fixture
def restartable(launch: Launcher) -> tuple[Running, Running]:
    """An API that can be stopped and started, and a page before it."""
    api = launch("serve")
    page = launch("ui", "--api", api.url)
    api.wait_for("/readyz")
    page.wait_for("/readyz", url=page.page_url)
    return api, page


def test_photos_wait_for_an_api_that_restarts(
    launch: Launcher, browser: Browser, restartable: tuple[Running, Running]
) -> None:
    api, page = restartable
    label, photo = labelled_photos(per_class=1)[0]
    with visit(browser, page.page_url) as visitor:
        visitor.wait_for_text("#header", "Serving model")
        api.end()
        banner = visitor.page.get_by_role("alert").get_by_text("The API does not respond")
        banner.wait_for()
        keep_picture(visitor, "api-stopped")
        visitor.drop(("meanwhile.jpg", photo))
        visitor.wait_for_text("#answer", "Waiting for predictions")
        port = httpx.URL(api.url).port
        again = launch("serve", home=api.home, DANDELION_API__PORT=str(port))
        again.wait_for("/readyz")
        visitor.page.locator("#answer h2").get_by_text(label, exact=True).wait_for(timeout=60_000)
        banner.wait_for(state="hidden")
    page.end()


def test_the_page_that_loses_its_own_server_says_so_and_comes_back(
    launch: Launcher, browser: Browser, restartable: tuple[Running, Running]
) -> None:
    api, page = restartable
    with visit(browser, page.page_url) as visitor:
        visitor.wait_for_text("#header", "Serving model")
        page.end()
        lost = visitor.page.get_by_role("alert").get_by_text("This page has lost the connection to its server")
        lost.wait_for()
        port = httpx.URL(page.page_url).port
        again = launch("ui", "--api", api.url, DANDELION_UI__PORT=str(port))
        again.wait_for("/readyz", url=page.page_url)
        lost.wait_for(state="hidden")
        visitor.reload()
        visitor.drop(("again.jpg", jpeg()))
        visitor.page.locator("#answer h2").wait_for()
        visitor.errors.clear()  # of the requests without a server
    again.end()


def test_no_name_of_a_file_or_a_class_is_ever_run(launch: Launcher, browser: Browser, tmp_path: Path) -> None:
    package = make_package(tmp_path / "package", classes=[f"{SCRIPT}a", f"{SCRIPT}b"], note=SCRIPT)
    api = launch(
        "serve", "--model", str(package), DANDELION_JOURNAL__PHOTOS="all", DANDELION_JOURNAL__SHIP_SECONDS="0.1"
    )
    page = launch("ui", "--api", api.url)
    api.wait_for("/readyz")
    page.wait_for("/readyz", url=page.page_url)
    photo, other = (data for _, data in labelled_photos(per_class=1))
    httpx.post(f"{api.url}/predict", content=other, headers={"Content-Type": "image/jpeg"}).raise_for_status()
    with visit(browser, page.page_url) as visitor:  # which fails when a dialog opens
        visitor.drop((f"{SCRIPT.replace('/', '')}.jpg", photo), (f"{SCRIPT.replace('/', '')}2.jpg", b"no photo"))
        visitor.page.locator("#answer h2").get_by_text("onerror=alert").wait_for()
        visitor.page.get_by_role("button", name="Wrong").click()
        visitor.wait_for_text("#answer", "Marked as wrong")
        for tab, where in (("Label", "#labelling"), ("History", "#history"), ("Model", "#model"), ("Health", "#now")):
            visitor.tab(tab)
            visitor.page.locator(where).get_by_text("alert" if tab != "Health" else "API").first.wait_for()
        visitor.tab("History")
        visitor.page.locator("#history tbody button").first.click()
        visitor.page.locator("#prediction h2").wait_for()
        visitor.tab("Model")
        visitor.page.get_by_role("button", name="Model card").click()
        visitor.page.locator("#card").wait_for()
        visitor.drop((f"{SCRIPT.replace('/', '')}3.jpg", photo), where="#compared")
        visitor.page.locator("#opinions article").first.wait_for()
        time.sleep(1)  # a script that must not run signals no end
        assert visitor.page.locator("[onerror]").count() == 0
    page.end()
    api.end()
