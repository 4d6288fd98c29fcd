"""Versions on the page: their metrics, a comparison on one photo, promotion and rollback."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from PIL import Image

from dandelion.domain import CHALLENGER
from dandelion.registry import create_registry
from dandelion.settings import Settings
from tests.packages import make_package
from tests.photos import labelled_photos
from tests.servers.browser import Visit
from tests.servers.product import Running
from tests.ui.conftest import Open


@pytest.fixture(scope="module")
def challenger(up: Running, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A version on trial that takes each class for the other, with a plot."""
    registry = create_registry(
        Settings.model_validate(
            {"home": up.home, "registry": {"uri": f"http://127.0.0.1:{up.env['DANDELION_REGISTRY__PORT']}"}}
        )
    )
    folder = tmp_path_factory.mktemp("challenger")
    made = make_package(folder / "package", classes=["grass", "dandelion"], note="The challenger's card.")
    version = registry.register_package(made)
    registry.set_alias(CHALLENGER, version.version)
    assert version.run_id is not None
    plot = folder / "confusion_matrix.png"
    Image.new("RGB", (200, 150), "lightgreen").save(plot)
    registry.client.log_artifact(version.run_id, str(plot), "plots")
    return version.version


def test_a_version_is_shown_with_its_card_metrics_and_plots(open_page: Open, challenger: str) -> None:
    with open_page() as visitor:
        visitor.tab("Model")
        visitor.wait_for_text("#model", "In service: dandelion 1 (champion)")
        visitor.page.get_by_role("button", name=f"Show {challenger}").click()
        visitor.wait_for_text("#version", f"Metrics of version {challenger}")
        assert "Accuracy" in visitor.text_of("#version")
        plot = visitor.page.locator("#version img").first
        visitor.page.wait_for_function(
            "image => image.complete && image.naturalWidth === 200", arg=plot.element_handle()
        )
        visitor.page.get_by_role("button", name="Model card").click()
        visitor.wait_for_text("#card", "The challenger's card.")


def test_champion_and_challenger_are_compared_on_the_same_photo(open_page: Open, challenger: str) -> None:
    (_, photo), *_ = labelled_photos(per_class=1)
    with open_page() as visitor:
        visitor.tab("Model")
        visitor.drop(("both.jpg", photo), ("text.jpg", b"no photo"), where="#compared")
        visitor.wait_for_text("#opinions", "They differ")
        sides = visitor.page.locator("#opinions section")
        assert [side.get_attribute("aria-label") for side in sides.all()] == ["champion", "challenger"]
        visitor.wait_for_text("#opinions", "This is not a photo")


def test_a_promotion_says_what_it_will_do_and_a_rollback_undoes_it(
    open_page: Open, up: Running, challenger: str
) -> None:
    def serving() -> str:
        return str(httpx.get(f"{up.url}/model").json()["version"])

    with open_page() as visitor:
        visitor.tab("Model")
        promote = visitor.page.get_by_role("button", name=f"Promote {challenger}")
        promote.click()
        visitor.wait_for_text("#confirm", f"Version {challenger} will replace version 1")
        visitor.page.get_by_role("button", name="Cancel").click()
        visitor.page.locator("#confirm").wait_for(state="hidden")
        assert serving() == "1"
        move(visitor, f"Promote {challenger}", f"Version {challenger} will replace version 1", challenger)
        assert serving() == challenger
        move(visitor, "Roll back", "the previous champion", "1")
        assert serving() == "1"


def move(visitor: Visit, button: str, says: str, version: str) -> None:
    """Press a button, agree to what it says, and wait until `version` is in service."""
    visitor.page.get_by_role("button", name=button).click()
    visitor.wait_for_text("#confirm", says)
    visitor.page.get_by_role("button", name="Confirm").click()
    visitor.wait_for_text("#model", f"In service: dandelion {version}")


def test_what_was_done_is_in_the_audit_log(open_page: Open, up: Running, challenger: str) -> None:
    def moves() -> list[tuple[str, str]]:
        query = "SELECT action, subject FROM audit_log WHERE action IN ('promote', 'rollback') ORDER BY id"
        with closing(sqlite3.connect(Path(up.home) / "dandelion.db")) as database:
            return database.execute(query).fetchall()

    before = moves()
    with open_page() as visitor:
        visitor.tab("Model")
        move(visitor, f"Promote {challenger}", f"Version {challenger} will replace version 1", challenger)
        move(visitor, "Roll back", "the previous champion", "1")
    assert moves() == [*before, ("promote", f"dandelion {challenger}"), ("rollback", "dandelion 1")]
