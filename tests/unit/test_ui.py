"""The page's parts that need neither browser nor API."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from dandelion.domain import StoredPrediction
from dandelion.errors import SettingsError
from dandelion.labelling import QueuedPhoto
from dandelion.ui.examples import find_examples
from dandelion.ui.fence import Fence
from dandelion.ui.label import HELD_SECONDS, Hands
from dandelion.ui.photos import _cell
from dandelion.ui.sign_in import _is_ours
from dandelion.ui.templates import Renderer
from dandelion.ui.words import Words
from tests.photos import jpeg


def stored(identity: str = "a", label: str = "grass") -> StoredPrediction:
    return StoredPrediction(
        prediction_id=identity,
        created_at=datetime(2026, 5, 1, tzinfo=UTC),
        label=label,
        confidence=0.6,
        probabilities={"grass": 0.6, "dandelion": 0.4},
        in_distribution=True,
        model_name="dandelion",
        model_version="1",
        track="stable",
        duration_ms=1.0,
        photo_key="predicted/a.jpg",
    )


def queued(*identities: str) -> list[QueuedPhoto]:
    return [QueuedPhoto(prediction=stored(each), other_label=None, reasons=[]) for each in identities]


def names(photos: list[QueuedPhoto]) -> list[str]:
    return [each.prediction.prediction_id for each in photos]


def test_photos_that_somebody_holds_are_not_given_to_others() -> None:
    now = 0.0
    hands = Hands(clock=lambda: now)
    photos = queued("a", "b", "c", "d")
    assert names(hands.take("ada", photos, 2)) == ["a", "b"]
    assert names(hands.take("bob", photos, 2)) == ["c", "d"]
    assert names(hands.take("ada", photos, 2)) == ["a", "b"]
    assert names(hands.take("eve", photos, 2)) == ["a", "b"]  # better twice than nothing to do
    hands.leave("bob")
    assert names(hands.take("zoe", photos, 2)) == ["c", "d"]
    now = HELD_SECONDS + 1
    assert names(hands.take("yan", photos, 4)) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("label", ["=1+1", "+1", "-1", "@cmd", "\tx"])
def test_no_class_becomes_a_spreadsheets_formula(label: str) -> None:
    assert _cell(stored(label=label), "label") == f"'{label}"


def test_templates_escape_whatever_fills_them() -> None:
    render = Renderer(Words("en"))
    hostile = "<script>alert(1)</script>"
    shown = render("history", rows=[stored(label=hostile)], first=0, export='"><script>')
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def request_from(origin: str | None) -> Request:
    headers = [(b"host", b"page.example:7860")] + ([(b"origin", origin.encode())] if origin else [])
    return Request({"type": "http", "method": "POST", "path": "/sign-in", "headers": headers})


@pytest.mark.parametrize(
    ("origin", "ours"),
    [
        (None, True),
        ("http://page.example:7860", True),
        ("https://page.example:7860", True),
        ("http://evil.example", False),
        ("http://page.example:7860.evil.example", False),
        ("null", False),
    ],
)
def test_only_our_own_forms_sign_in(origin: str | None, ours: bool) -> None:
    assert _is_ours(request_from(origin)) is ours


def test_the_fence_lets_pass_what_the_page_uses(tmp_path: Path) -> None:
    async def answer(_: Request) -> PlainTextResponse:
        return PlainTextResponse("in")

    inner = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])
    client = TestClient(Fence(inner, tmp_path, most_bytes=100))
    for path in (
        "/en/",
        "/fr",
        "/en/theme.css",
        "/en/gradio_api/file=/tmp/a.jpg",
        "/sign-in",
        "/photos/1",
        "/entrance",
    ):
        assert client.get(path).status_code == 200, path
    for path in ("/en/gradio_api/info", "/en/docs", "/fr/gradio_api/proxy=http://a", "/en/login", "/en/gradio_api/"):
        assert client.get(path).status_code == 404, path
    assert client.post("/en/gradio_api/upload").status_code == 200
    (tmp_path / "photo.jpg").write_bytes(bytes(100))
    assert client.post("/en/gradio_api/upload").status_code == 507


def test_examples_are_drawn_or_those_of_a_folder(tmp_path: Path) -> None:
    drawn, named = tmp_path / "drawn", tmp_path / "named"
    drawn.mkdir()
    named.mkdir()
    assert len(find_examples(None, drawn)) >= 5
    with pytest.raises(SettingsError, match="DANDELION_UI__EXAMPLES"):
        find_examples(named, drawn)
    (named / "mine.jpg").write_bytes(jpeg())
    (named / "notes.txt").write_text("no photo")
    (found,) = find_examples(named, drawn)
    assert found.parent == drawn
    assert found.read_bytes() == jpeg()


def test_an_empty_history_says_so() -> None:
    empty = Renderer(Words("fr"))("history", rows=[], first=0, export="")
    assert "Aucune prédiction" in empty
