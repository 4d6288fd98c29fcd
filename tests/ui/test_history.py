"""The history, as a visitor looks through it."""

from __future__ import annotations

import csv
import io

import httpx
import pytest

from tests.photos import jpeg, labelled_photos
from tests.servers.product import Running
from tests.ui.conftest import Open


@pytest.fixture
def marked(up: Running, open_page: Open) -> str:
    """Return the label of a photo that was just classified on the page and marked as wrong."""
    label, photo = labelled_photos(per_class=2)[2]
    with open_page() as visitor:
        visitor.drop(("history.jpg", photo))
        visitor.page.locator("#answer h2").wait_for()
        visitor.page.get_by_role("button", name="Wrong").click()
        visitor.wait_for_text("#answer", "Marked as wrong")
    return label


def test_feedback_changes_the_history_and_a_row_opens(open_page: Open, marked: str) -> None:
    with open_page() as visitor:
        visitor.tab("History")
        first = visitor.page.locator("#history tbody tr").first
        first.wait_for()
        assert marked in first.inner_text()
        assert "wrong" in first.inner_text()
        picture = first.locator("img")
        visitor.page.wait_for_function(
            "image => image.complete && image.naturalWidth > 0", arg=picture.element_handle()
        )
        first.get_by_role("button").click()
        visitor.wait_for_text("#prediction", "Heat map of the serving model")
        for shown in visitor.page.locator("#prediction img").all():
            visitor.wait_for_picture(shown)
        visitor.page.locator("#prediction").get_by_role("radio", name=marked).check()
        visitor.wait_for_text("#prediction", "✓ right")
        visitor.wait_for_text("#history tbody tr:first-child", "✓ right")
        visitor.page.locator("#prediction").get_by_role("button", name="Close").click()
        visitor.page.locator("#prediction").wait_for(state="hidden")


def test_the_filters_choose_and_the_export_has_what_they_chose(open_page: Open, marked: str) -> None:
    with open_page() as visitor:
        visitor.tab("History")
        visitor.page.locator("#history tbody tr").first.wait_for()
        visitor.page.get_by_label("Verdict").click()
        visitor.page.get_by_role("option", name="wrong").click()
        visitor.page.wait_for_function(
            "() => [...document.querySelectorAll('#history tbody tr')].every(row => row.innerText.includes('wrong'))"
        )
        count = visitor.page.locator("#history tbody tr").count()
        assert count > 0
        with visitor.page.expect_download() as download:
            visitor.page.get_by_role("link", name="Export").click()
        rows = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
        assert len(rows) == count
        assert {row["verdict"] for row in rows} == {"wrong"}
        visitor.page.get_by_label("Kind").click()
        visitor.page.get_by_role("option", name="unfamiliar").click()
        visitor.page.get_by_label("Minimum confidence, %", exact=False).last.fill("100")
        visitor.wait_for_text("#history", "No prediction matches")


def test_pages_follow_each_other(open_page: Open, up: Running) -> None:
    for _ in range(30):
        httpx.post(f"{up.url}/predict", content=jpeg(), headers={"Content-Type": "image/jpeg"}).raise_for_status()
    with open_page() as visitor:
        visitor.tab("History")
        visitor.wait_for_text("#history", "Predictions 1 to 25")
        older, newer = (visitor.page.get_by_role("button", name=name) for name in ("Older", "Newer"))
        assert newer.is_disabled()
        older.click()
        visitor.wait_for_text("#history", "Predictions 26 to")
        visitor.tab("Model")
        visitor.tab("History")
        visitor.page.wait_for_timeout(2000)  # the new request changes nothing to wait for
        visitor.wait_for_text("#history", "Predictions 26 to")
        newer.click()
        visitor.wait_for_text("#history", "Predictions 1 to 25")
