"""The page's parts that need neither browser nor API."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from dandelion.db.predictions import Filter
from dandelion.domain import Page, StoredPrediction
from dandelion.errors import SettingsError
from dandelion.labelling import QueuedPhoto
from dandelion.ui.backend import Backend
from dandelion.ui.examples import find_examples
from dandelion.ui.fence import MOST_TOLD_BYTES, Fence
from dandelion.ui.label import HELD_SECONDS, Hands
from dandelion.ui.photos import FILTERS, PAGE_ROWS, _cell, create_router
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


@pytest.fixture
def fenced(tmp_path: Path) -> TestClient:
    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{len(await request.body())}")

    inner = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])
    return TestClient(Fence(inner, tmp_path, most_bytes=100))


def test_the_fence_lets_pass_what_the_page_uses(fenced: TestClient) -> None:
    for path in (
        "/en/",
        "/fr",
        "/en/theme.css",
        "/en/gradio_api/file=/tmp/a.jpg",
        "/sign-in",
        "/photos/1",
        "/entrance",
    ):
        assert fenced.get(path).status_code == 200, path
    for path in (
        "/en/gradio_api/info",
        "/en/docs",
        "/fr/gradio_api/proxy=http://a",
        "/en/gradio_api/file=https://a/b.jpg",
        "/en/login",
        "/en/gradio_api/",
    ):
        assert fenced.get(path).status_code == 404, path


def test_uploads_find_the_room_there_is(fenced: TestClient, tmp_path: Path) -> None:
    url = "/en/gradio_api/upload"
    assert fenced.post(url, content=bytes(100)).text == "100"
    assert fenced.post(url, content=bytes(101)).status_code == 507
    assert fenced.post(url, content=iter([b"a"])).status_code == 411  # which might never end
    (tmp_path / "photo.jpg").write_bytes(bytes(60))
    assert fenced.post(url, content=bytes(41)).status_code == 507
    assert fenced.post(url, content=bytes(40)).status_code == 200


async def test_an_upload_that_stalls_gives_its_room_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dandelion.ui.fence.SLOWEST_SECONDS", 0.2)

    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{len(await request.body())}")

    fence = Fence(Starlette(routes=[Route("/{path:path}", answer, methods=["POST"])]), tmp_path, most_bytes=100)

    async def upload(size: int, *pieces: bytes) -> int:
        statuses = []
        coming = [{"type": "http.request", "body": each, "more_body": True} for each in pieces]
        scope = {"type": "http", "method": "POST", "path": "/en/gradio_api/upload", "query_string": b""}

        async def receive() -> dict[str, Any]:
            if coming:
                return coming.pop(0)
            return await asyncio.Future()

        async def send(message: Any) -> None:
            statuses.append(message.get("status"))

        headers = [(b"content-length", b"%d" % size)]
        await fence({**scope, "headers": headers}, receive, send)
        return int(next(each for each in statuses if each))

    stalled = asyncio.create_task(upload(90, bytes(30)))
    await asyncio.sleep(0.05)
    assert await upload(41, bytes(41)) == 507
    assert await stalled == 408
    client = TestClient(fence)
    assert client.post("/en/gradio_api/upload", content=bytes(100)).status_code == 200


def test_what_is_told_is_bounded(fenced: TestClient) -> None:
    for path in ("/en/gradio_api/queue/join", "/en/gradio_api/cancel", "/sign-in"):
        body = b"[" + b"1," * (MOST_TOLD_BYTES // 2) + b"1]"
        assert fenced.post(path, content=body).status_code == 413, path
        assert fenced.post(path, content=iter([body])).status_code == 413, path


@pytest.mark.parametrize("path", ["/etc/passwd", "https://a.example/b.jpg", "{folder}/../up.jpg", "a\0b", "x" * 9000])
def test_an_event_names_no_file_that_was_not_uploaded(fenced: TestClient, tmp_path: Path, path: str) -> None:
    url = "/en/gradio_api/queue/join"
    mine = {"data": [{"image": {"path": str(tmp_path / "up.jpg"), "meta": {}}}]}
    assert fenced.post(url, json=mine).status_code == 200
    assert fenced.post(url, json={"data": [[{"path": path.format(folder=tmp_path)}]]}).status_code == 403


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000])
def test_an_event_that_is_no_json_is_refused(fenced: TestClient, body: bytes) -> None:
    assert fenced.post("/en/gradio_api/queue/join", content=body).status_code == 400


def test_a_page_of_another_site_changes_nothing(fenced: TestClient) -> None:
    for path in ("/en/gradio_api/queue/join", "/sign-in", "/en/gradio_api/upload"):
        assert fenced.post(path, headers={"Origin": "http://evil.example"}, json={}).status_code == 403, path
    assert fenced.get("/en/", headers={"Origin": "http://evil.example"}).status_code == 200


def test_the_history_is_exported_by_the_filters_that_there_are() -> None:
    asked: list[dict[str, Any]] = []

    class Client:
        def of(self, _: Any) -> Client:
            return self

        async def predictions(self, **given: Any) -> Page:
            asked.append(given)
            return Page(predictions=[], next=None)

    app = FastAPI()
    app.include_router(create_router(cast("Backend", Client()), []))
    assert TestClient(app).get("/history.csv?label=grass&self=1&limit=1&color=red").status_code == 200
    assert asked == [{"label": "grass", "limit": PAGE_ROWS, "cursor": None}]
    assert set(FILTERS) == {field.name for field in dataclasses.fields(Filter)}


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
