"""The service's health on the page, and a retraining from it."""

from __future__ import annotations

import re

from dandelion.client import Client
from tests.photos import labelled_photos
from tests.servers.product import Running
from tests.ui.conftest import Open, keep_picture


def test_traffic_and_accuracy_are_shown_as_they_come(open_page: Open, up: Running) -> None:
    with open_page() as visitor:
        visitor.tab("Health")
        visitor.wait_for_text("#now", "Processes: 1")
        with Client(up.url) as client:
            for label, photo in labelled_photos(per_class=5):
                given = client.predict(photo)
                client.feedback(given.prediction_id, label)
        visitor.page.wait_for_function(
            "() => [...document.querySelectorAll('#now .tiles strong')].some(each => / ms$/.test(each.innerText))"
        )
        # Labels of other tests count as well.
        with Client(up.url) as client:
            found = client.accuracy()[0]
        assert found["labelled"] >= 10
        for share in ("accuracy", "low", "high"):
            visitor.wait_for_text("#quality", f"{found[share]:.1%}")
        assert "Drift" in visitor.text_of("#quality")


def test_a_retraining_is_started_and_followed_to_its_end(open_page: Open) -> None:
    with open_page() as visitor:
        visitor.tab("Health")
        visitor.page.get_by_label("Reason").fill("the autumn has come")
        visitor.page.get_by_role("button", name="Start a retraining").click()
        visitor.wait_for_text("#retrainings", "the autumn has come")
        steps = visitor.page.locator("#retrainings .steps li")
        assert steps.count() == 7
        # Labels of other tests may be a reason to retrain, but they are too few: either way, the run skips training.
        visitor.wait_for_text("#retrainings h3", re.compile("nothing to do|the photos do not allow"), seconds=120)
        visitor.page.locator("#retrainings .steps li.completed").first.wait_for()
        assert "skipped" in steps.nth(3).inner_text()
        keep_picture(visitor, "health-retraining")
