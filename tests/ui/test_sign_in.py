"""The page with an API that requires keys."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import jwt
import pytest
from playwright.sync_api import Browser

from tests.photos import labelled_photos
from tests.servers.browser import Visit, visit
from tests.servers.product import Launcher, Running
from tests.ui.conftest import keep_picture
from tests.waiting import wait_until

SECRET = "s" * 40


@dataclass
class Guarded:
    """An API and a page with access on.

    Attributes:
        api: The API.
        page: The page.
    """

    api: Running
    page: Running

    def key(self, name: str, *scopes: str) -> str:
        options = [word for scope in scopes for word in ("--scope", scope)]
        done = self.api.command("keys", "create", name, *options)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture(scope="module")
def guarded(launch: Launcher) -> Iterator[Guarded]:
    access = {
        "DANDELION_ACCESS__ENABLED": "true",
        "DANDELION_ACCESS__ANONYMOUS_SCOPES": '["predict"]',
        "DANDELION_ACCESS__JWT_SECRETS": f'["{SECRET}"]',
        "DANDELION_API__TRUSTED_PROXIES": '["127.0.0.1"]',
    }
    api = launch("serve", home=None, **access)
    page = launch("ui", "--api", api.url, DANDELION_LOG__LEVEL="debug", DANDELION_LOG__ACCESS="true")
    api.wait_for("/readyz")
    page.wait_for("/readyz", url=page.page_url)
    yield Guarded(api, page)
    page.end()
    api.end()


def sign_in(visitor: Visit, key: str) -> None:
    visitor.page.get_by_role("link", name="Sign in").click()
    visitor.page.get_by_label("API key or token").fill(key)
    visitor.page.get_by_role("button", name="Sign in").click()


def test_who_is_not_signed_in_is_asked_to_where_it_matters(guarded: Guarded, browser: Browser) -> None:
    with visit(browser, guarded.page.page_url) as visitor:
        label, photo = labelled_photos(per_class=1)[0]
        visitor.drop(("anybody.jpg", photo))
        visitor.page.locator("#answer h2").get_by_text(label).wait_for()
        visitor.page.get_by_role("button", name="Right").click()
        visitor.page.get_by_text("Sign in to do this").first.wait_for()
        visitor.tab("History")
        visitor.wait_for_text("#history", "Sign in to do this")
        assert visitor.page.locator("#history").get_by_role("link", name="Sign in").count() == 1


def test_a_wrong_key_is_refused_and_a_right_one_stays_on_the_server(guarded: Guarded, browser: Browser) -> None:
    key = guarded.key("ada", "predict", "feedback", "read")
    with visit(browser, guarded.page.page_url) as visitor:
        sign_in(visitor, f"{key[:-1]}{'A' if key[-1] != 'A' else 'B'}")
        visitor.page.get_by_role("alert").get_by_text("This key or token is invalid").wait_for()
        keep_picture(visitor, "sign-in-refused")
        visitor.page.get_by_label("API key or token").fill(key)
        visitor.page.get_by_role("button", name="Sign in").click()
        visitor.wait_for_text("#header", "Sign out (key:ada)")
        _, photo = labelled_photos(per_class=1)[0]
        visitor.drop(("mine.jpg", photo))
        visitor.page.locator("#answer h2").wait_for()
        visitor.page.get_by_role("button", name="Right").click()
        visitor.wait_for_text("#answer", "Marked as right")
        visitor.tab("History")
        visitor.wait_for_text("#history", "✓ right")
        visitor.tab("Model")
        visitor.wait_for_text("#model", "In service")
        assert visitor.page.get_by_role("button", name=re.compile("Promote|Roll back")).count() == 0
        seen = visitor.page.evaluate(
            "() => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie,"
            " document.documentElement.outerHTML, window.gradio_config])"
        )
        assert key not in seen
        (cookie,) = [each for each in visitor.page.context.cookies() if each.get("name") == "dandelion_session"]
        assert cookie.get("httpOnly") is True
        assert cookie.get("sameSite") == "Strict"
        assert key not in str(cookie.get("value"))
        visitor.page.get_by_role("button", name="Sign out").click()
        visitor.wait_for_text("#header", "Sign in")
        visitor.tab("History")
        visitor.wait_for_text("#history", "Sign in to do this")
    for process in (guarded.page, guarded.api):
        logged = process.output.read_text()
        assert key not in logged
        assert key[-43:] not in logged


def test_a_token_signs_in_as_well_and_admins_see_what_only_they_may(guarded: Guarded, browser: Browser) -> None:
    token = jwt.encode({"sub": "grace", "exp": time.time() + 600, "scope": "admin"}, SECRET, "HS256")
    guarded.api.command("models", "register", "--if-empty")
    with visit(browser, guarded.page.page_url) as visitor:
        sign_in(visitor, token)
        visitor.wait_for_text("#header", "Sign out (jwt:grace)")
        visitor.tab("Label")
        visitor.page.locator("#labelling aside").wait_for()
        visitor.tab("Health")
        visitor.wait_for_text("#retrainings", "Prefect does not respond")
        visitor.reload()  # which does not sign out
        visitor.wait_for_text("#header", "Sign out (jwt:grace)")


def test_a_key_that_is_revoked_signs_out_and_locks_nobody_out(guarded: Guarded, browser: Browser) -> None:
    with visit(browser, guarded.page.page_url) as visitor:
        sign_in(visitor, guarded.key("leaver", "read", "feedback"))
        visitor.wait_for_text("#header", "key:leaver")
        assert guarded.api.command("keys", "revoke", "leaver").returncode == 0

        def is_signed_out() -> bool:
            visitor.tab("History")
            visitor.reload()
            # The header is empty until the page knows its visitor.
            visitor.page.get_by_role("link", name="Sign in").or_(
                visitor.page.get_by_text("key:leaver")
            ).first.wait_for()
            return "key:leaver" not in visitor.text_of("#header")

        # The API accepts the key while it is cached.
        wait_until(is_signed_out, "the page drops the key", seconds=60, every=1)
        visitor.page.get_by_role("link", name="Sign in").wait_for()


def test_who_guesses_keys_is_stopped_and_stops_nobody_else(launch: Launcher, guarded: Guarded) -> None:
    page = launch("ui", "--api", guarded.api.url, DANDELION_ACCESS__FAILED_SIGN_INS_PER_ADDRESS="3")
    page.wait_for("/readyz", url=page.page_url)
    form = {"key": "dnd_guess"}
    statuses = [httpx.post(f"{page.page_url}/sign-in", data=form).status_code for _ in range(5)]
    assert statuses == [401, 401, 401, 429, 429]
    page.end()


def test_a_form_of_another_page_signs_nobody_in(guarded: Guarded) -> None:
    key = guarded.key("eve", "read")
    response = httpx.post(
        f"{guarded.page.page_url}/sign-in", data={"key": key}, headers={"Origin": "http://evil.example"}
    )
    assert response.status_code == 403
    assert "set-cookie" not in response.headers


def test_a_labeller_needs_the_scope_feedback_alone(guarded: Guarded, browser: Browser) -> None:
    with visit(browser, guarded.page.page_url) as visitor:
        sign_in(visitor, guarded.key("labeller", "feedback"))
        visitor.wait_for_text("#header", "key:labeller")
        visitor.tab("Label")
        visitor.page.locator("#labelling aside").wait_for()
        visitor.tab("History")
        visitor.wait_for_text("#history", "Your key does not allow this")
        visitor.tab("Health")
        visitor.wait_for_text("#retrainings", "the scope admin")


def test_nothing_of_gradios_own_api_is_open(guarded: Guarded) -> None:
    closed = ("docs", "openapi.json", "monitoring/summary", "login", "gradio_api/openapi.json", "gradio_api/info")
    for path in (*closed, "gradio_api/vibe-code", "gradio_api/proxy=http://127.0.0.1:9", "gradio_api/runs"):
        assert httpx.get(f"{guarded.page.page_url}/en/{path}").status_code == 404, path
    for url in ("docs", "openapi.json"):
        assert httpx.get(f"{guarded.page.page_url}/{url}").status_code == 404
    for file in ("/etc/passwd", f"{guarded.page.home}/dandelion.db", "../../../../etc/passwd"):
        assert httpx.get(f"{guarded.page.page_url}/en/gradio_api/file={file}").status_code in {403, 404}, file


def test_no_event_reads_a_file_of_the_server(guarded: Guarded) -> None:
    events = httpx.get(f"{guarded.page.page_url}/en/config").json()["dependencies"]
    sent = httpx.post(f"{guarded.page.page_url}/en/gradio_api/upload", files={"files": ("a.jpg", b"a")}).json()[0]
    folder = Path(sent).parents[2]
    for path in (
        *("/proc/self/environ", f"{guarded.page.home}/dandelion.db", "https://127.0.0.1/a.jpg"),
        f"https://127.0.0.1/a.jpg?{'/..' * 9}{sent}",
        str(next((folder / "examples").iterdir())),  # whose copy would be deleted as the visitor's
    ):
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        for event in events:
            event_data = {"session_hash": "x", "fn_index": event["id"], "data": [file for _ in event["inputs"]]}
            response = httpx.post(f"{guarded.page.page_url}/en/gradio_api/queue/join", json=event_data)
            assert response.status_code == (403 if event["inputs"] else response.status_code), response.text
    assert httpx.get(f"{guarded.page.page_url}/en/gradio_api/file=https://127.0.0.1/a.jpg").status_code == 404


def test_pages_of_other_sites_can_neither_write_nor_read(guarded: Guarded) -> None:
    url = f"{guarded.page.page_url}/en/gradio_api/queue/join"
    # Named as it would be in a network; for localhost Gradio is stricter by itself.
    other = {"Host": "photos.example", "Origin": "https://evil.example"}
    preflight = httpx.options(url, headers=other | {"Access-Control-Request-Method": "POST"})
    read = httpx.get(f"{guarded.page.page_url}/en/config", headers=other)
    for response in (preflight, read):
        assert not [name for name in response.headers if name.startswith("access-control-allow-origin")]
        assert "access-control-allow-credentials" not in response.headers
    assert httpx.post(url, headers=other, json={"data": []}).status_code == 403


def test_uploads_end_where_the_room_ends(launch: Launcher, guarded: Guarded) -> None:
    page = launch("ui", "--api", guarded.api.url, DANDELION_UI__MAX_UPLOADS_BYTES=str(1024 * 1024))
    page.wait_for("/readyz", url=page.page_url)
    statuses = []
    for number in range(3):
        photo = {"files": (f"{number}.jpg", b"\xff\xd8" + bytes([number]) * 400_000)}
        statuses.append(httpx.post(f"{page.page_url}/en/gradio_api/upload", files=photo).status_code)
    assert statuses == [200, 200, 507]
    page.end()


def test_an_upload_that_breaks_off_leaves_nothing(launch: Launcher, guarded: Guarded, tmp_path: Path) -> None:
    room = str(1024 * 1024)
    page = launch("ui", "--api", guarded.api.url, TMPDIR=str(tmp_path), DANDELION_UI__MAX_UPLOADS_BYTES=room)
    page.wait_for("/readyz", url=page.page_url)
    url, photo = f"{page.page_url}/en/gradio_api/upload", b"\xff\xd8" + bytes(900_000)
    (uploads,) = tmp_path.glob("dandelion-ui-*/uploads")

    def kept() -> list[Path]:
        return [path for path in uploads.rglob("*") if path.is_file()]

    where = httpx.URL(page.page_url)
    request = httpx.Request("POST", url, files={"files": ("photo.jpg", photo)})
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    for _ in range(3):
        with socket.create_connection((where.host, where.port)) as connection:
            connection.sendall(f"POST {request.url.path} HTTP/1.1\r\n{head}\r\n".encode())
            connection.sendall(request.read()[:500_000])
            wait_until(kept, "a file of the upload")
        wait_until(lambda: not kept(), "nothing is left of the upload")
    assert httpx.post(url, files={"photo": ("photo.jpg", photo)}).status_code == 200
    wait_until(lambda: not kept(), "nothing is left of the upload")
    response = httpx.post(url, files={"files": ("photo.jpg", photo)})
    assert [Path(path) for path in response.json()] == kept()
    page.end()


def test_a_page_without_its_api_starts_and_says_so(launch: Launcher, browser: Browser) -> None:
    page = launch("ui", "--api", "http://127.0.0.1:9")
    page.wait_for("/readyz", url=page.page_url)
    with visit(browser, page.page_url) as visitor:
        visitor.page.get_by_role("alert").get_by_text("The API does not respond").wait_for()
    page.end()
