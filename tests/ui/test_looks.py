"""How the page looks and reads: every tab in light, dark and on a phone, for eyes, keyboards and screen readers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dandelion.client import Client
from dandelion.ui.words import Words
from tests.photos import labelled_photos
from tests.servers.browser import DESKTOP, PHONE, Visit
from tests.servers.product import Running
from tests.ui.conftest import Open, keep_picture

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"size": DESKTOP},
    "dark": {"size": DESKTOP, "dark": True},
    "phone": {"size": PHONE},
    "phone-dark-french": {"size": PHONE, "dark": True, "language": "fr-FR"},
}


@pytest.fixture(scope="module", autouse=True)
def _traffic(up: Running) -> None:
    """Something to show on every tab."""
    with Client(up.url) as client:
        for number, (label, photo) in enumerate(labelled_photos(per_class=6)):
            given = client.predict(photo)
            if number % 3 == 0:
                client.feedback(given.prediction_id, label)


def classify(visitor: Visit, words: Words) -> None:
    visitor.drop(*((f"{number}.jpg", photo) for number, (_, photo) in enumerate(labelled_photos(per_class=3))))
    visitor.page.locator("#answer h2").wait_for()
    visitor.wait_for_picture(visitor.page.locator("#heatmap img"))
    visitor.page.get_by_role("button", name=words("classify.right")).click()
    visitor.wait_for_text("#answer", words("classify.marked_right"))


def label(visitor: Visit, words: Words) -> None:
    visitor.tab(words("label.tab"))
    visitor.wait_for_picture(visitor.page.locator("#labelling section > img").first)


def history(visitor: Visit, words: Words) -> None:
    visitor.tab(words("history.tab"))
    visitor.page.locator("#history tbody button").first.click()
    visitor.wait_for_picture(visitor.page.locator("#prediction img").last)


def model(visitor: Visit, words: Words) -> None:
    visitor.tab(words("model.tab"))
    visitor.wait_for_text("#model", words("model.versions"))
    visitor.page.locator("#version h2").wait_for()


def health(visitor: Visit, words: Words) -> None:
    visitor.tab(words("health.tab"))
    visitor.page.locator("#now svg path.line").first.wait_for(state="attached", timeout=30_000)
    visitor.page.locator("#quality table").wait_for()


TABS: dict[str, Callable[[Visit, Words], None]] = {
    "classify": classify,
    "label": label,
    "history": history,
    "model": model,
    "health": health,
}


@pytest.mark.parametrize("look", LOOKS)
def test_every_tab_fits_its_width_and_has_no_serious_accessibility_finding(open_page: Open, look: str) -> None:
    options = LOOKS[look]
    words = Words("fr" if "french" in look else "en")
    found = []
    with open_page(**options) as visitor:
        for name, prepare in TABS.items():
            prepare(visitor, words)
            visitor.page.wait_for_timeout(500)
            keep_picture(visitor, f"{name}-{look}")
            assert visitor.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (
                f"{name} is cut off"
            )
            assert visitor.page.evaluate("document.documentElement.lang") == words.language
            found += [f"{name}: {finding}" for finding in visitor.serious_findings()]
    assert found == []


def test_the_sign_in_page_has_no_serious_accessibility_finding(open_page: Open) -> None:
    for dark in (False, True):
        with open_page(dark=dark) as visitor:
            visitor.open(visitor.page.url.replace("/en/", "/sign-in?language=fr"))
            keep_picture(visitor, f"sign-in-{'dark' if dark else 'light'}")
            assert visitor.page.get_by_label("Clé d'API ou jeton").is_visible()
            assert visitor.serious_findings() == []


def test_a_photo_is_classified_and_marked_by_the_keyboard_alone(open_page: Open) -> None:
    with open_page() as visitor:
        keyboard = visitor.page.keyboard

        def name() -> str:
            return str(
                visitor.page.evaluate(
                    "(() => { const at = document.activeElement; "
                    "if (at === document.body) return ''; "
                    "return at.getAttribute('aria-label') || at.querySelector('img')?.alt || at.innerText; })()"
                )
            )

        def go_to(wanted: str) -> None:
            for _ in range(60):
                keyboard.press("Tab")
                if wanted in name():
                    return
            raise AssertionError(f"{wanted} cannot be reached by Tab")

        go_to("Example 1")
        keyboard.press("Enter")
        visitor.page.locator("#answer h2").wait_for()
        go_to("Right")
        keyboard.press("Space")
        visitor.wait_for_text("#answer", "Marked as right")
        keyboard.press("Shift+Tab")


@pytest.mark.parametrize(("language", "title"), [("fr-CA", "Classer"), ("de-DE", "Classify"), ("en-GB", "Classify")])
def test_the_page_speaks_the_browsers_language_where_it_can(open_page: Open, language: str, title: str) -> None:
    with open_page(language=language) as visitor:
        assert visitor.page.get_by_role("tab").first.inner_text() == title
        visitor.page.locator("#header nav a").first.click()
        visitor.page.get_by_role("tab", name="Classify" if title == "Classer" else "Classer").wait_for()


def test_a_camera_and_the_clipboard_bring_photos(open_page: Open) -> None:
    with open_page() as visitor:
        visitor.page.locator("#photos").get_by_label("Capture from camera").click()
        visitor.page.locator("#photos").get_by_role("button", name="access webcam").click()
        visitor.page.locator("#photos video").wait_for()
        visitor.page.wait_for_timeout(1000)
        visitor.page.locator("#photos").get_by_role("button", name="capture photo").click()
        visitor.page.locator("#answer h2").wait_for()
        before = visitor.text_of("#answer")
        visitor.page.evaluate(
            """async () => {
              const canvas = Object.assign(document.createElement('canvas'), {width: 64, height: 64});
              canvas.getContext('2d').fillRect(0, 0, 32, 64);
              const blob = await new Promise(resolve => canvas.toBlob(resolve, 'image/png'));
              await navigator.clipboard.write([new ClipboardItem({'image/png': blob})]);
            }"""
        )
        visitor.page.locator("#photos").get_by_label("Paste from clipboard").click()
        visitor.page.wait_for_function(
            "before => document.querySelector('#answer').innerText !== before && document.querySelector('#answer h2')",
            arg=before,
        )
