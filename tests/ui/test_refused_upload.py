"""A photo that never reaches the page, since a proxy before it refuses it."""

from __future__ import annotations

import pytest

from tests.photos import labelled_photos
from tests.ui.conftest import Open

UPLOAD = "**/gradio_api/upload*"


@pytest.mark.parametrize(("language", "says"), [("en", "refuses photos of this size"), ("fr", "de cette taille")])
def test_the_page_explains_why_a_proxy_refused_a_photo(open_page: Open, language: str, says: str) -> None:
    """As nginx does, whose default is 1 MiB; a photo that passes takes the words away."""
    label, photo = labelled_photos(per_class=1)[0]
    with open_page() as visitor:
        visitor.open(f"{visitor.page.url.rpartition('/en/')[0]}/{language}/")
        visitor.page.locator("#tabs").wait_for()
        notice = visitor.page.get_by_role("alert").get_by_text(says)
        assert notice.count() == 0
        visitor.page.route(
            UPLOAD, lambda route: route.fulfill(status=413, body="<h1>413 Request Entity Too Large</h1>")
        )
        visitor.drop(("large.jpg", photo))
        notice.wait_for()
        visitor.page.unroute(UPLOAD)
        visitor.drop(("lawn.jpg", photo))
        visitor.page.locator("#answer h2").get_by_text(label, exact=True).wait_for()
        notice.wait_for(state="hidden")
        assert set(visitor.errors) <= {"console: Response"}  # of Gradio, about the refusal
        visitor.errors.clear()
