"""Debian's Chromium, driven by Playwright, and visits that remember what a page must never do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Locator, Page, sync_playwright

from tests.servers import tools

DESKTOP = (1280, 900)
PHONE = (390, 844)
# The camera shows a test picture, and asks nobody.
_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
# What the console says of requests that were refused, and of streams that end when one leaves the page.
_HARMLESS = ("Failed to load resource", "AbortError", "Connection errored out")


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A browser until the block ends."""
    with sync_playwright() as playwright:
        # Tests run as root, where Chromium's sandbox cannot.
        flags = ["--no-sandbox", "--disable-dev-shm-usage", *_CAMERA]
        browser = playwright.chromium.launch(executable_path=tools.find("chromium"), args=flags)
        yield browser
        browser.close()


@dataclass
class Visit:
    """One visitor's page.

    Attributes:
        page: It.
        errors: Scripts that failed, dialogs that opened, requests to other machines.
    """

    page: Page
    errors: list[str] = field(default_factory=list)

    def tab(self, name: str) -> None:
        """Open a tab of the page."""
        self.page.get_by_role("tab", name=name).click()

    def reload(self) -> None:
        """Load the page anew."""
        self._leave()
        self.page.reload()

    def open(self, url: str) -> None:
        """Load another page."""
        self._leave()
        self.page.goto(url)

    def _leave(self) -> None:
        """Count no error until the next page is there: Gradio may still tell the old one that its session is gone."""
        before = len(self.errors)
        self.page.once("framenavigated", lambda _: self.errors.__delitem__(slice(before, None)))

    def text_of(self, where: str) -> str:
        return self.page.locator(where).inner_text()

    def wait_for_text(self, where: str, text: str | re.Pattern[str], seconds: float = 20) -> Locator:
        """Wait until `text` is seen there."""
        found = self.page.locator(where).get_by_text(text).first
        found.wait_for(timeout=seconds * 1000)
        return found

    def wait_for_picture(self, picture: Locator) -> None:
        """Wait until the picture is there, and not broken."""
        self.page.wait_for_function(
            "image => image.complete && image.naturalWidth > 0", arg=picture.element_handle(), timeout=20_000
        )

    def serious_findings(self) -> list[str]:
        """What axe-core finds that keeps people out."""
        return [
            f"{each['id']}: {each['nodes'][0]['html'][:200]}"
            for each in Axe().run(self.page).response["violations"]
            if each["impact"] in {"serious", "critical"}
        ]

    def drop(self, *photos: tuple[str, bytes], kind: str = "image/jpeg", where: str = "#photos") -> None:
        """Give a part of the page photos by name, as by its file chooser."""
        files: Any = [{"name": name, "mimeType": kind, "buffer": data} for name, data in photos]
        self.page.locator(f"{where} input[type=file]").first.set_input_files(files)


@contextmanager
def visit(
    browser: Browser,
    url: str,
    *,
    size: tuple[int, int] = DESKTOP,
    dark: bool = False,
    language: str = "en-US",
    **options: Any,
) -> Iterator[Visit]:
    """Somebody who opens `url`; fails at the end if the page did what it must not."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        locale=language,
        permissions=["camera", "clipboard-read", "clipboard-write"],
        **options,
    )
    page = context.new_page()
    found = Visit(page)
    host = urlsplit(url).hostname

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error" and not any(words in message.text for words in _HARMLESS):
            found.errors.append(f"console: {message.text}")

    def on_request(asked: str) -> None:
        parts = urlsplit(asked)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.hostname != host:
            found.errors.append(f"request to {asked}")

    def on_dialog(dialog: Dialog) -> None:
        found.errors.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("console", on_console)
    page.on("pageerror", lambda error: found.errors.append(f"script: {error}"))
    page.on("request", lambda request: on_request(request.url))
    page.on("dialog", on_dialog)
    page.goto(url)
    page.get_by_role("tab").first.or_(page.locator("form")).first.wait_for()
    try:
        yield found
        # What breaks off as a visitor leaves is no error of the page.
        errors = [*found.errors]
    finally:
        context.close()
    assert not errors, "\n".join(errors)
