"""A running `dandelion up` and a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.servers.browser import Visit, running_browser, visit
from tests.servers.product import Launcher, Running

ARTIFACTS = Path(__file__).resolve().parents[2] / "artifacts" / "ui"

Open = Callable[..., AbstractContextManager[Visit]]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with running_browser() as running:
        yield running


@pytest.fixture(scope="session")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    launcher = Launcher(tmp_path_factory.mktemp("product"))
    yield launcher
    launcher.end()


@pytest.fixture(scope="session")
def up(launch: Launcher) -> Running:
    """The product on an empty machine; it stores every photo."""
    running = launch("up", DANDELION_JOURNAL__PHOTOS="all", DANDELION_JOURNAL__SHIP_SECONDS="0.1")
    running.wait_for_output("All parts answer")
    return running


@pytest.fixture
def open_page(up: Running, browser: Browser) -> Open:
    """Visit the product's page."""
    return partial(visit, browser, up.page_url)


def keep_picture(page: Visit, name: str) -> Path:
    """A screenshot of the whole page, for people to look at after the tests."""
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    path = ARTIFACTS / f"{name}.png"
    page.page.screenshot(path=path, full_page=True)
    return path
