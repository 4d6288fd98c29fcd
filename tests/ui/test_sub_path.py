"""The page under a path that a proxy removes."""

from __future__ import annotations

import httpx
from playwright.sync_api import Browser

from tests.photos import labelled_photos
from tests.servers.browser import visit
from tests.servers.product import Launcher
from tests.servers.sub_path import published


def test_a_photo_is_classified_on_a_page_under_a_path(launch: Launcher, browser: Browser) -> None:
    api = launch("serve")
    page = launch(
        "ui",
        DANDELION_UI__API_URL=api.url,
        DANDELION_UI__TRUSTED_PROXIES='["127.0.0.1"]',
        DANDELION_UI__TRUST_FORWARDED_PREFIX="true",
    )
    api.wait_for("/readyz")
    page.wait_for("/livez", url=page.page_url)
    label, photo = labelled_photos(per_class=1)[0]
    port = httpx.URL(page.page_url).port or 0
    with published(port, "/plants") as url, visit(browser, url) as visitor:
        failed: list[str] = []
        visitor.page.on("response", lambda answer: failed.append(answer.url) if answer.status >= 400 else None)
        visitor.drop(("lawn.jpg", photo))
        visitor.page.locator("#answer h2").get_by_text(label, exact=True).wait_for()
        visitor.page.locator("#heatmap img").wait_for()
        assert visitor.page.url.startswith(f"{url}/en/")
        visitor.tab("History")
        visitor.page.goto(f"{url}/fr/")
        visitor.page.locator("#tabs").wait_for()
        assert failed == []
