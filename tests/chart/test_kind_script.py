"""The newcomer's script, with every program but Helm's rendering played: the node's tests run it in earnest."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.chart.chart import ROOT, read_yaml
from tests.servers import tools

SCRIPT = ROOT / "docker" / "kind.sh"
TAG = read_yaml(ROOT / "Chart.yaml")["appVersion"]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def api() -> Iterator[ThreadingHTTPServer]:
    """Answers a photo."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            photo = (ROOT / "docs" / "pictures" / "dandelion.jpg").read_bytes()
            self.send_response(200 if self.path == "/predict" and photo in body else 400)
            self.end_headers()
            self.wfile.write(b'{"label": "dandelion"}')

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


# By name: what each program does beside being noted in `calls`. `current` holds kubectl's context.
PROGRAMS = {
    "build": '[ -z "$ID" ] || echo $ID',
    "load": "",
    "docker": """
        while [ $# -gt 0 ]; do [ "$1" != --iidfile ] || printf sha256:$ID > "$2"; shift; done
    """,
    "kind": """
        case "$1 $2" in
          "get clusters") cat clusters 2> /dev/null ;;
          "create cluster") echo dandelion > clusters && echo kind-dandelion > current ;;
        esac
    """,
    "minikube": """
        case $1 in status) [ -e started ] ;; start) touch started ;; esac
    """,
    "helm": """
        case $1 in
          template) exec HELM "$@" ;;
          dependency) exit 1 ;;
          get) echo the notes ;;
          upgrade) [ -z "$BROKEN" ] ;;
        esac
    """,
    "kubectl": """
        case "$*" in
          "config current-context") cat current 2> /dev/null ;;
          "config use-context "*) echo $3 > current ;;
          *port-forward*) echo "Forwarding from 127.0.0.1:PORT -> 8000" && exec sleep 60 ;;
          *"get pods"*) echo dandelion-api-0 ImagePullBackOff ;;
        esac
    """,
}
MINE = {"BUILD": "build", "LOAD": "load"}


@pytest.fixture
def run(tmp_path: Path, api: ThreadingHTTPServer) -> Run:
    """Runs the script among programs that are played; `calls` in the folder lists what it called."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name, lines in PROGRAMS.items():
        played = lines.replace("HELM", str(tools.find("helm"))).replace("PORT", str(api.server_port))
        (folder / name).write_text(f"#!/bin/sh\necho {name} $* >> calls\n{played}\n")
        (folder / name).chmod(0o755)

    def script(*words: str, **given: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "calls").unlink(missing_ok=True)
        env = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        env |= {"PATH": f"{folder}:{os.environ['PATH']}", "ID": "1", **given}
        argv = [str(SCRIPT), *words]
        return subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=20)

    return script


@pytest.fixture
def called(tmp_path: Path) -> Callable[[str], list[str]]:
    """Calls of the last run that begin alike."""
    return lambda begin: [
        call for call in (tmp_path / "calls").read_text().splitlines() if f"{call} ".startswith(f"{begin} ")
    ]


Called = Callable[[str], list[str]]


def tag_of(install: str) -> str:
    return install.partition("global.image.tag=")[2].partition(" ")[0]


def test_it_goes_from_the_images_to_a_prediction(run: Run, called: Called) -> None:
    done = run("--without-monitoring")
    assert done.returncode == 0, done.stderr
    (install,) = called("helm upgrade")
    tag = tag_of(install)
    assert tag.startswith(f"{TAG}-")
    images = [f"ghcr.io/dandelion-ml/dandelion-{part}:{tag}" for part in ("api", "mlflow", "ui", "worker")]
    assert called("kind load") == [f"kind load docker-image --name dandelion {image}" for image in images]
    assert called("docker tag") == [f"docker tag sha256:1 {image}" for image in images]
    assert f"--values {ROOT}/values/laptop.yaml" in install
    assert "--wait --wait-for-jobs" in install
    assert '{"label": "dandelion"}' in done.stdout
    assert "the notes" in done.stdout
    assert "To delete everything: kind delete cluster --name dandelion" in done.stdout


@pytest.mark.parametrize(
    ("cluster", "context", "begins"),
    [
        ("kind", "kind-dandelion", ["kind create cluster --name dandelion"]),
        ("minikube", "dandelion", ["minikube start --profile dandelion --keep-context --cpus 4 --memory 8g"]),
        ("current", "work", []),
    ],
)
def test_every_call_names_the_cluster_that_was_asked_for(
    cluster: str, context: str, begins: list[str], run: Run, called: Called, tmp_path: Path
) -> None:
    """Whatever cluster kubectl speaks to, which stays so."""
    (tmp_path / "current").write_text("work\n")
    for starts in (begins, []):
        done = run("--cluster", cluster, "--namespace", "photos", "--without-monitoring", **MINE)
        assert done.returncode == 0, done.stderr
        assert [*called("kind create"), *called("minikube start")] == starts
        calls = [call for name in ("helm", "kubectl") for call in called(name) if " config " not in call]
        assert len(calls) >= 5
        for call in calls:
            assert f"context {context}" in call, call
            assert "--namespace photos" in call, call
        assert (tmp_path / "current").read_text() == "work\n"
        assert (f"kubectl config use-context {context}" in done.stdout) is (cluster != "current")


@pytest.mark.parametrize("mine", [{}, MINE])
def test_other_images_have_another_tag_and_the_same_images_the_same(
    mine: dict[str, str], run: Run, called: Called
) -> None:
    """Else Kubernetes would see nothing to change, and run what it ran."""
    tags = []
    for number in ("1", "1", "2"):
        assert run("--without-monitoring", ID=number, **mine).returncode == 0
        (install,) = called("helm upgrade")
        tags.append(tag_of(install))
        assert all(call.endswith(f":{tags[-1]}") for call in [*called("kind load"), *called("load")])
    assert tags[0] == tags[1] != tags[2]


def test_a_build_that_tells_no_id_leaves_the_tag(run: Run, called: Called) -> None:
    assert run("--without-monitoring", ID="", **MINE).returncode == 0
    assert f"load ghcr.io/dandelion-ml/dandelion-api:{TAG}" in called("load")


def test_words_for_helm_come_last(run: Run, called: Called) -> None:
    names = "global.image.repository=me/flowers,global.image.tag=v9"
    done = run("--without-monitoring", "--", "--set", "ui.enabled=false", "--set", names)
    assert done.returncode == 0, done.stderr
    parts = ("api", "mlflow", "worker")
    assert called("kind load") == [
        f"kind load docker-image --name dandelion ghcr.io/me/flowers-{part}:v9" for part in parts
    ]


def test_without_the_internet_it_says_what_to_do(run: Run) -> None:
    done = run()
    assert done.returncode == 1
    assert "Run this script again with --without-monitoring." in done.stderr


def test_a_release_that_is_not_ready_shows_its_pods_and_the_next_command(run: Run) -> None:
    done = run("--without-monitoring", BROKEN="yes")
    assert done.returncode == 1
    assert "dandelion-api-0 ImagePullBackOff" in done.stderr
    assert "kubectl --context kind-dandelion --namespace default describe pods" in done.stderr


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(run: Run) -> None:
    done = run("--without-monitoring", http_proxy="http://127.0.0.1:9", **MINE)
    assert done.returncode == 0, done.stderr


def test_what_is_missing_is_said_before_anything_is_built(run: Run, tmp_path: Path) -> None:
    (tmp_path / "current").write_text("work\n")
    done = run("--cluster", "current", "--without-monitoring", BUILD="build")
    assert (done.returncode, "LOAD must name a command" in done.stderr) == (1, True)
    (tmp_path / "programs" / "docker").unlink()
    for name in ("bash", "curl", "dirname", "mktemp", "rm"):
        (tmp_path / "programs" / name).symlink_to(str(shutil.which(name)))
    done = run("--without-monitoring", PATH=str(tmp_path / "programs"))
    assert (done.returncode, "docker is missing: install it from" in done.stderr) == (1, True)
    assert not (tmp_path / "calls").exists()


@pytest.mark.parametrize(("word", "code"), [("--claster", 2), ("--help", 0)])
def test_it_shows_how_to_run_it(word: str, code: int, run: Run) -> None:
    done = run(word)
    assert done.returncode == code
    assert "docker/kind.sh --without-monitoring" in done.stdout


def test_shellcheck_finds_nothing() -> None:
    argv = [str(tools.find("shellcheck")), str(SCRIPT)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_page_of_installation_begins_with_it() -> None:
    text = (ROOT / "docs" / "install.md").read_text()
    assert "    docker/kind.sh\n" in text
    assert "    docker/kind.sh --without-monitoring\n" in text
