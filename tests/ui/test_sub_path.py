"""The page under a path that nginx removes."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from tests.photos import labelled_photos
from tests.servers.browser import visit
from tests.servers.nginx import Nginx
from tests.servers.product import Launcher


def test_a_photo_is_classified_on_a_page_under_a_path(
    request: pytest.FixtureRequest, launch: Launcher, browser: Browser, tmp_path: Path
) -> None:
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
    proxy = Nginx(tmp_path / "nginx", httpx.URL(page.page_url).port or 0, "/plants")
    request.addfinalizer(proxy.end)
    with visit(browser, proxy.url) as visitor:
        failed: list[str] = []
        visitor.page.on("response", lambda answer: failed.append(answer.url) if answer.status >= 400 else None)
        visitor.drop(("lawn.jpg", photo))
        visitor.page.locator("#answer h2").get_by_text(label, exact=True).wait_for()
        visitor.page.locator("#heatmap img").wait_for()
        assert visitor.page.url.startswith(f"{proxy.url}/en/")
        visitor.tab("History")
        visitor.open(f"{proxy.url}/fr/")
        visitor.page.locator("#tabs").wait_for()
        assert failed == []
