"""The page's parts that need neither browser nor API."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import gradio as gr
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from dandelion.db.predictions import Filter
from dandelion.domain import Identity, Page, Prediction, Queue, QueuedPhoto, StoredPrediction
from dandelion.errors import SettingsError
from dandelion.ui import page as ui_page
from dandelion.ui.allowlist import MAX_EVENT_BYTES, RouteAllowlist
from dandelion.ui.backend import Backend
from dandelion.ui.classify import ClassifyTab, Result
from dandelion.ui.examples import find_examples
from dandelion.ui.label import HELD_SECONDS, LabelLeases, LabelTab, Work
from dandelion.ui.photos import FILTERS, PAGE_ROWS, _cell, create_router
from dandelion.ui.uploads import FILE_BYTES, MAX_AGE_SECONDS, SWEEP_SECONDS, Uploads
from dandelion.ui.words import Words
from tests.photos import jpeg
from tests.waiting import until


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
    leases = LabelLeases(clock=lambda: now)
    photos = queued("a", "b", "c", "d")
    assert names(leases.take("ada", photos, 2)) == ["a", "b"]
    assert names(leases.take("bob", photos, 2)) == ["c", "d"]
    assert names(leases.take("ada", photos, 2)) == ["a", "b"]
    assert names(leases.take("eve", photos, 2)) == ["a", "b"]  # better twice than nothing to do
    leases.leave("bob")
    assert names(leases.take("zoe", photos, 2)) == ["c", "d"]
    now = HELD_SECONDS + 1
    assert names(leases.take("yan", photos, 4)) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("label", ["=1+1", "+1", "-1", "@cmd", "\tx"])
def test_no_class_becomes_a_spreadsheets_formula(label: str) -> None:
    assert _cell(stored(label=label), "label") == f"'{label}"


def test_templates_escape_whatever_fills_them() -> None:
    render = Words("en").render
    hostile = "<script>alert(1)</script>"
    shown = render("history", rows=[stored(label=hostile)], first=0, export='"><script>')
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


MOST_BYTES = 100_000
UPLOAD = "/en/gradio_api/upload"


@pytest.fixture
def fenced(tmp_path: Path) -> TestClient:
    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{len(await request.body())}")

    inner = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])
    return TestClient(RouteAllowlist(inner, Uploads(tmp_path, MOST_BYTES)))


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
        *(
            f"/en/{folder}/{name}"
            for folder in ("assets", "static")
            for name in ("a" * 256, "a/" * 2048, "a%00", "%F0" * 256)
        ),
        f"/en/gradio_api/file=/{'a' * 256}",
    ):
        assert fenced.get(path).status_code == 404, path


def test_uploads_find_the_room_there_is(fenced: TestClient, tmp_path: Path) -> None:
    assert fenced.post(UPLOAD, content=bytes(MOST_BYTES - FILE_BYTES)).status_code == 200
    assert fenced.post(UPLOAD, content=bytes(MOST_BYTES + 1)).status_code == 507
    assert fenced.post(UPLOAD, content=iter([b"a"])).status_code == 411  # which might never end
    assert fenced.post(UPLOAD, content=b"a", headers={"Content-Length": "0" * 5_000 + "1"}).status_code == 411
    (tmp_path / "photo.jpg").write_bytes(bytes(60_000))
    assert fenced.post(UPLOAD, content=bytes(40_001)).status_code == 507
    assert fenced.post(UPLOAD, content=bytes(20_000)).status_code == 200


def test_small_files_and_folders_count_as_what_they_take(fenced: TestClient, tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "photo.jpg").write_bytes(b"a")
    left = MOST_BYTES - 10 * FILE_BYTES
    assert fenced.post(UPLOAD, content=bytes(left + 1)).status_code == 507
    assert fenced.post(UPLOAD, content=bytes(left)).status_code == 200


def test_a_thousand_small_files_in_one_form_find_no_room(fenced: TestClient) -> None:
    form = {"Content-Type": "multipart/form-data; boundary=mark"}
    few, many = (b"--mark\r\nContent-Disposition: x\r\n\r\n\r\n" * count for count in (10, 1000))
    assert fenced.post(UPLOAD, content=few, headers=form).status_code == 200
    assert fenced.post(UPLOAD, content=many, headers=form).status_code == 507
    assert fenced.post(UPLOAD, content=bytes(MOST_BYTES)).status_code == 200


async def send_slowly(fence: RouteAllowlist, size: int, *pieces: bytes, goes: bool = False, path: str = UPLOAD) -> int:
    """The status for who promises `size` bytes, brings `pieces`, then stalls, or `goes`; 0 if none came."""
    statuses = []
    coming: list[dict[str, Any]] = [{"type": "http.request", "body": each, "more_body": True} for each in pieces]
    if goes:
        coming.append({"type": "http.disconnect"})
    headers = [(b"content-length", b"%d" % size), (b"content-type", b"multipart/form-data; boundary=mark")]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}

    async def receive() -> dict[str, Any]:
        if coming:
            return coming.pop(0)
        return await asyncio.Future()

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    await fence(scope, receive, send)
    return next((each for each in statuses if each), 0)


def found_in(folder: Path) -> list[str]:
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*"))


def create_fence(folder: Path) -> RouteAllowlist:
    """Before an upload that writes as Gradio does, and like it leaves its file when it breaks off."""

    async def keep(request: Request) -> PlainTextResponse:
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as stream:
            async for piece in request.stream():
                stream.write(piece)
                stream.flush()
        return PlainTextResponse("its form had no file")

    return RouteAllowlist(
        Starlette(routes=[Route("/{path:path}", keep, methods=["POST"])]), Uploads(folder, MOST_BYTES)
    )


async def test_an_upload_that_stalls_gives_its_room_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dandelion.ui.allowlist.MAX_CHUNK_SECONDS", 0.2)
    fence = create_fence(tmp_path)
    stalled = asyncio.create_task(send_slowly(fence, 90_000, bytes(30_000)))
    await until(lambda: found_in(tmp_path), "a file of the upload", every=0.01)
    assert await send_slowly(fence, 41_000, bytes(41_000), goes=True) == 507
    assert await stalled == 408
    assert TestClient(fence).post(UPLOAD, content=bytes(MOST_BYTES)).status_code == 200


async def test_nothing_is_left_of_an_upload_that_broke_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dandelion.ui.allowlist.MAX_CHUNK_SECONDS", 0.2)
    fence = create_fence(tmp_path)
    await send_slowly(fence, 90_000, bytes(30_000), goes=True)
    assert not found_in(tmp_path)
    assert await send_slowly(fence, 90_000, bytes(30_000)) == 408
    assert not found_in(tmp_path)
    form = TestClient(fence).post(UPLOAD, content=bytes(30_000))
    assert form.text == "its form had no file"
    assert not found_in(tmp_path)


async def test_an_upload_that_goes_on_keeps_what_it_brought(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, MOST_BYTES)
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    async with uploads.tidied():
        mine.touch()
        async with uploads.tidied():
            theirs.touch()
        assert mine.exists()
        async with uploads.tidied():
            pass
        assert mine.exists()
    assert not mine.exists()
    assert not theirs.exists()


def test_the_sweep_takes_what_is_old_whoever_left_it(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, MOST_BYTES)
    (tmp_path / "tmp-left").touch()
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "photo.jpg").touch()
    (tmp_path / "empty").mkdir()
    now = time.time()

    def kept_after(seconds: float) -> list[str]:
        uploads.sweep(now + seconds)
        return found_in(tmp_path)

    assert kept_after(0) == ["a", "a/b", "a/b/photo.jpg", "empty", "tmp-left"]
    assert kept_after(MAX_AGE_SECONDS) == ["a", "a/b", "a/b/photo.jpg", "tmp-left"]
    assert not kept_after(MAX_AGE_SECONDS + 2 * SWEEP_SECONDS)


def test_what_is_told_is_bounded(fenced: TestClient) -> None:
    for path in ("/en/gradio_api/queue/join", "/en/gradio_api/cancel", "/sign-in"):
        body = b"[" + b"1," * (MAX_EVENT_BYTES // 2) + b"1]"
        assert fenced.post(path, content=body).status_code == 413, path
        assert fenced.post(path, content=iter([body])).status_code == 413, path


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "https://a.example/b.jpg",
        "https://a.example/b.jpg?/../../../../../../../../../../../..{folder}/up.jpg",
        "{folder}/../up.jpg",
        "{folder}/a/../up.jpg",
        "up.jpg",
        "a\0b",
        "{folder}/a\0b",
        "/" + "x" * 9000,
    ],
)
def test_an_event_names_no_file_that_was_not_uploaded(
    fenced: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    url = "/en/gradio_api/queue/join"
    mine = {"data": [{"image": {"path": str(tmp_path / "up.jpg"), "meta": {}}}]}
    assert fenced.post(url, json=mine).status_code == 200
    named = {"path": path.format(folder=tmp_path)}
    for told in ({"data": [[named]]}, {"data": [{"video": named}]}, {"event_data": {"value": named}}):
        assert fenced.post(url, json=told).status_code == 403, told


async def test_who_goes_before_an_event_is_told_is_no_error(tmp_path: Path) -> None:
    assert await send_slowly(create_fence(tmp_path), 9, b"{", goes=True, path="/en/gradio_api/queue/join") == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000])
def test_an_event_that_is_no_json_is_refused(fenced: TestClient, body: bytes) -> None:
    assert fenced.post("/en/gradio_api/queue/join", content=body).status_code == 400


def test_a_page_of_another_site_changes_nothing(fenced: TestClient) -> None:
    for path in ("/en/gradio_api/queue/join", "/sign-in", "/en/gradio_api/upload"):
        assert fenced.post(path, headers={"Origin": "http://evil.example"}, json={}).status_code == 403, path
    assert fenced.get("/en/", headers={"Origin": "http://evil.example"}).status_code == 200


@pytest.mark.parametrize("left", [0, 1])
async def test_a_heat_map_finds_the_room_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    picture = jpeg()

    class Client:
        def of(self, _: Any) -> Client:
            return self

        async def explain(self, *_: Any, **__: Any) -> bytes:
            return picture

    page = ui_page.Page(
        words=Words("en"),
        backend=cast("Backend", Client()),
        uploads=Uploads(tmp_path / "uploads", len(picture) + FILE_BYTES - 1 + left),
    )
    with gr.Blocks():
        tab = ClassifyTab(page, [])
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(picture)
    results = {str(photo): Result(prediction=cast("Prediction", stored()))}
    with contextlib.nullcontext() if left else pytest.warns(UserWarning, match="no room"):
        shown = await tab._show_heatmap(str(photo), results, 0.5, gr.Request())
    assert shown.visible is bool(left)
    assert len([each for each in found_in(tmp_path) if each.endswith("heatmap.png")]) == left


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
    empty = Words("fr").render("history", rows=[], first=0, export="")
    assert "Aucune prédiction" in empty


async def test_a_visitor_with_nothing_ahead_is_given_photos(tmp_path: Path) -> None:
    class Client:
        def of(self, _: Any) -> Client:
            return self

        async def queue(self, **_: Any) -> Queue:
            return Queue(photos=queued("a", "b"), waiting=2, labellers=[])

        async def me(self) -> Identity:
            return Identity(name="key:ann", scopes=[], is_asked=True)

    page = ui_page.Page(
        words=Words("en"),
        backend=cast("Backend", Client()),
        uploads=Uploads(tmp_path / "uploads", FILE_BYTES),
    )
    with gr.Blocks(), gr.Tab() as shown:
        tab = LabelTab(page, shown, LabelLeases())
    _, work = cast("tuple[str, Work]", await tab._begin(Work(), gr.Request()))
    assert names(list(work.ahead)) == ["a", "b"]
    assert work.me == "key:ann"
