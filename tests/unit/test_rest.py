"""MLflow's REST API, where its server misbehaves or keeps artifacts elsewhere; the real one is in tests/integration."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
import pytest

from dandelion.errors import RegistryError
from dandelion.registry import Registry
from dandelion.registry.rest import API, ARTIFACTS, RestClient, RestError, is_plain
from tests.servers.scripted import Handler, listening

VERSION = {"name": "plants", "version": "3", "creation_timestamp": 1764000000000, "run_id": "r1"}
PROXIED = "mlflow-artifacts:/7/r1/artifacts"


@dataclass
class Server:
    """Answers by path; of several for one path each is given once, the last one for ever."""

    url: str = ""
    answers: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def say(self, path: str, *answers: object, status: int = 200) -> None:
        self.answers[path] = [
            (status, each if isinstance(each, bytes) else msgspec.json.encode(each)) for each in answers
        ]


@pytest.fixture
def server() -> Iterator[Server]:
    told = Server()

    class Mlflow(Handler):
        def do_GET(self) -> None:
            told.asked.append((self.path, self.headers.get("Authorization")))
            answers = told.answers.get(self.path) or told.answers.get(self.path.split("?")[0], [(404, b"")])
            self.answer(*(answers.pop(0) if len(answers) > 1 else answers[0]))

    with listening(Mlflow) as told.url:
        yield told


class WholeClient:
    """In place of MLflow's own client, which is asked for nothing else here."""

    def download_artifacts(self, run_id: str, path: str, dst_path: str) -> str:
        return f"{run_id} {path} {dst_path}"


def ask(server: Server) -> RestClient:
    return RestClient(server.url, 5, lambda: cast("Any", WholeClient()))


def listing(root: str, *files: tuple[str, bool]) -> dict[str, object]:
    return {"root_uri": root, "files": [{"path": path, "is_dir": is_dir} for path, is_dir in files]}


@pytest.mark.parametrize(
    ("variables", "header"),
    [
        ({}, None),
        (
            {"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "pw:1"},
            "Basic " + base64.b64encode(b"ann:pw:1").decode(),
        ),
        ({"MLFLOW_TRACKING_TOKEN": "t0"}, "Bearer t0"),
    ],
)
def test_it_signs_in_as_mlflow_s_variables_say(
    server: Server, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], header: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    server.say(f"{API}/model-versions/get", {"model_version": VERSION})
    found = ask(server).get_model_version("plants", "3")
    assert (found.version, found.run_id, found.tags, found.aliases) == ("3", "r1", {}, [])
    assert server.asked == [(f"{API}/model-versions/get?name=plants&version=3", header)]


def test_a_server_that_restarts_is_asked_once_more(server: Server) -> None:
    server.say(f"{API}/model-versions/get", b"", {"model_version": VERSION})
    server.answers[f"{API}/model-versions/get"][0] = (503, b"")
    assert ask(server).get_model_version("plants", "3").version == "3"


def test_what_it_refuses_is_an_error_with_mlflow_s_word_or_the_status(server: Server) -> None:
    server.say(f"{API}/model-versions/get", {"error_code": "PERMISSION_DENIED", "message": "no"}, status=403)
    with pytest.raises(RestError, match=r"^no$") as refused:
        ask(server).get_model_version("plants", "3")
    assert (refused.value.error_code, len(server.asked)) == ("PERMISSION_DENIED", 1)
    server.say(f"{API}/model-versions/get", b"<html>", status=502)
    with pytest.raises(RestError, match="HTTP 502") as failed:
        ask(server).get_model_version("plants", "3")
    assert (failed.value.error_code, len(server.asked)) == ("502", 3)


def test_an_answer_that_is_no_json_is_an_error(server: Server) -> None:
    server.say(f"{API}/model-versions/get", b"<html>")
    with pytest.raises(msgspec.DecodeError):
        ask(server).get_model_version("plants", "3")


@pytest.mark.parametrize("told", [{}, {"name": "plants"}, {**VERSION, "creation_timestamp": "soon"}])
def test_an_answer_without_what_a_version_has_is_an_error_of_the_registry(server: Server, told: object) -> None:
    server.say(f"{API}/model-versions/get", {"model_version": told})
    with pytest.raises(RegistryError, match="look up version 3"):
        Registry(server.url, "plants").get_version("3")


def test_a_folder_comes_with_what_is_in_its_folders(server: Server, tmp_path: Path) -> None:
    lists = f"{API}/artifacts/list?run_id=r1&path="
    server.say(f"{lists}model", listing(PROXIED, ("model/a b.json", False), ("model/deep", True)))
    server.say(f"{lists}model%2Fdeep", listing(PROXIED, ("model/deep/w.bin", False)))
    server.say(f"{ARTIFACTS}/7/r1/artifacts/model/a%20b.json", b"{}")
    server.say(f"{ARTIFACTS}/7/r1/artifacts/model/deep/w.bin", b"\x00" * 100_000)
    got = Path(ask(server).download_artifacts("r1", "model", str(tmp_path)))
    assert got == tmp_path / "model"
    assert (got / "a b.json").read_bytes() == b"{}"
    assert (got / "deep" / "w.bin").stat().st_size == 100_000


def test_a_file_comes_alone(server: Server, tmp_path: Path) -> None:
    server.say(f"{API}/artifacts/list", listing(PROXIED))
    server.say(f"{ARTIFACTS}/7/r1/artifacts/model/card.md", b"# Card")
    got = Path(ask(server).download_artifacts("r1", "model/card.md", str(tmp_path)))
    assert got.read_text() == "# Card"
    with pytest.raises(RestError, match="404"):
        ask(server).download_artifacts("r1", "model/none.md", str(tmp_path))


@pytest.mark.parametrize("path", ["model/../../etc/passwd", "/etc/passwd", "other/file"])
def test_a_listing_that_leads_elsewhere_is_refused(server: Server, tmp_path: Path, path: str) -> None:
    server.say(f"{API}/artifacts/list", listing(PROXIED, (path, False)))
    with pytest.raises(ValueError, match=path):
        ask(server).download_artifacts("r1", "model", str(tmp_path / "to"))
    assert not (tmp_path / "to").exists()


def test_artifacts_on_this_machine_are_copied(server: Server, tmp_path: Path) -> None:
    kept = tmp_path / "kept here" / "model"
    kept.mkdir(parents=True)
    (kept / "a.json").write_text("{}")
    server.say(f"{API}/artifacts/list", listing(kept.parent.as_uri(), ("model/a.json", False)))
    got = Path(ask(server).download_artifacts("r1", "model", str(tmp_path / "to")))
    assert (got / "a.json").read_text() == "{}"
    got = Path(ask(server).download_artifacts("r1", "model/a.json", str(tmp_path / "to2")))
    assert got.read_text() == "{}"


@pytest.mark.parametrize("root", ["s3://bucket/7/r1", "mlflow-artifacts://elsewhere:5000/7/r1", "file:///not/here"])
def test_what_only_mlflow_s_own_client_can_fetch_is_asked_of_it(server: Server, root: str) -> None:
    server.say(f"{API}/artifacts/list", listing(root, ("model/a.json", False)))
    assert ask(server).download_artifacts("r1", "model", "/to") == "r1 model /to"


def test_a_server_that_is_away_is_an_error() -> None:
    with pytest.raises(httpx.ConnectError):
        RestClient("http://127.0.0.1:9", 5, lambda: cast("Any", None)).get_registered_model("plants")


@pytest.mark.parametrize("what", ["a file", "an answer"])
def test_a_server_that_trickles_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str) -> None:
    """Its bytes come often enough for the limit on each wait."""
    monkeypatch.setattr("dandelion.registry.rest.RESPONSE_SECONDS", 0.5)
    asked: list[str] = []

    class Trickling(Handler):
        def do_GET(self) -> None:
            if what == "a file" and self.path.startswith(f"{API}/"):
                self.answer(200, msgspec.json.encode(listing(PROXIED)))
                return
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            with suppress(OSError):
                for _ in range(100):
                    self.wfile.write(b" ")
                    time.sleep(0.05)

    with listening(Trickling) as url:
        started = time.monotonic()
        with pytest.raises(httpx.RequestError, match=r"complete after 0\.5 s"):
            RestClient(url, 5, lambda: cast("Any", None)).download_artifacts("r1", "model/w.bin", str(tmp_path))
        assert time.monotonic() - started < 3
    assert len(asked) == 1  # a second try would only wait as long again


def test_only_plain_servers_are_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert [is_plain(uri) for uri in ("http://m:5000", "https://m/mlflow", "sqlite:///m.db", "databricks")] == [
        *(True, True),
        *(False, False),
    ]
    monkeypatch.setenv("MLFLOW_TRACKING_AWS_SIGV4", "true")
    assert not is_plain("http://m:5000")
    monkeypatch.delenv("MLFLOW_TRACKING_AWS_SIGV4")
    (tmp_path / ".mlflow").mkdir()
    (tmp_path / ".mlflow" / "credentials").touch()
    assert not is_plain("http://m:5000")
