"""Labelling, with the keyboard alone."""

from __future__ import annotations

import httpx

from dandelion.client import Client
from tests.photos import labelled_photos
from tests.servers.product import Running
from tests.ui.conftest import Open

SHOWN = "#labelling section > img:not([hidden])"


def test_photos_are_labelled_by_one_key_each_and_a_label_can_be_undone(open_page: Open, up: Running) -> None:
    with Client(up.url) as client:
        for _, photo in labelled_photos(per_class=3):
            client.predict(photo)
        classes = client.model()["classes"]
        before = sum(each.count for each in client.queue().labellers)
    with open_page() as visitor:
        press = visitor.page.keyboard.press
        visitor.page.get_by_role("tab", name="Classify").focus()
        press("Tab")
        press("Enter")  # which opens the tab
        shown = visitor.page.locator(SHOWN)
        shown.wait_for()

        def after_key(key: str) -> str:
            seen = shown.get_attribute("src")
            press(key)
            visitor.page.wait_for_function(
                "([where, seen]) => document.querySelector(where)?.getAttribute('src') !== seen", arg=[SHOWN, seen]
            )
            return seen or ""

        first = after_key("1")
        visitor.wait_for_text("#labelling aside", "You have labelled 1;")
        skipped = after_key("s")
        assert skipped != first
        after_key("u")
        assert shown.get_attribute("src") == skipped
        after_key("u")
        assert shown.get_attribute("src") == first
        visitor.wait_for_text("#labelling aside", "You have labelled 0;")
        after_key("2")
        visitor.wait_for_text("#labelling aside", "You have labelled 1;")
        identity = first.split("/")[-1].split("?")[0]
        found = httpx.get(f"{up.url}/predictions/{identity}").json()
        assert found["true_label"] == classes[1]
        assert f"anonymous (you)\t{before + 1}" in visitor.text_of("#labelling aside")


def test_two_visitors_do_not_label_the_same_photo(open_page: Open, up: Running) -> None:
    with Client(up.url) as client:
        for _, photo in labelled_photos(per_class=8):
            client.predict(photo)
    with open_page() as one, open_page(language="fr-FR") as other:
        one.tab("Label")
        other.tab("Étiqueter")
        seen = []
        for visitor in (one, other):
            shown = visitor.page.locator(SHOWN)
            shown.wait_for()
            seen.append(shown.get_attribute("src"))
        assert len(set(seen)) == 2


def test_a_letter_that_is_typed_elsewhere_labels_nothing(open_page: Open, up: Running) -> None:
    with open_page() as visitor:
        visitor.tab("Label")
        visitor.page.locator("#labelling aside").wait_for()
        before = visitor.text_of("#labelling aside")
        visitor.tab("Classify")
        visitor.page.keyboard.press("1")
        visitor.tab("Label")
        visitor.page.keyboard.press("Control+1")
        visitor.page.wait_for_timeout(500)
        assert visitor.text_of("#labelling aside") == before
