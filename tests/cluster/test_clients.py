"""People's clients against the release on the node: through its Services, its Gateway, and from pods of others."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dandelion.imaging import prepare
from dandelion.package import open_package
from dandelion.package.starter import starter_path
from tests.cluster.clients import is_ready
from tests.cluster.namespace import quick
from tests.cluster.release import Release, ask
from tests.cluster.values import GRPC_HOST, REACHES_API
from tests.integration.protocol_client import packed
from tests.photos import labelled_photos
from tests.servers import tools
from tests.waiting import wait_until

CALLS = Path(__file__).parents[1] / "integration"
HTTP, GRPC = 8000, 8001
# Classifies a photo from standard input some times over gRPC, on a channel with one option, and prints the labels.
CLASSIFY = """
import base64, sys, grpc
from dandelion.api.grpc.open_inference_pb2 import ModelInferRequest, ModelInferResponse
address, option, value, count = sys.argv[1:]
photo = base64.b64decode(sys.stdin.read())
request = ModelInferRequest(model_name="dandelion")
request.inputs.add(name="image", datatype="BYTES", shape=[1]).contents.bytes_contents.append(photo)
with grpc.insecure_channel(address, [(option, value)]) as channel:
    infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    for _ in range(int(count)):
        response = infer(request.SerializeToString(), timeout=30, wait_for_ready=True)
        outputs = {each.name: each.contents for each in ModelInferResponse.FromString(response).outputs}
        print(outputs["label"].bytes_contents[0].decode())
"""


@dataclass(frozen=True)
class Sent:
    """A photo, what `/predict` says of it, and the files that clients read.

    Attributes:
        encoded: The photo in base64.
        wanted: The response of `/predict`.
        files: The photo, its pixels as the model takes them, and an input file of perf_analyzer.
        addresses: Host and port of each protocol of the Service.
    """

    encoded: str
    wanted: dict[str, Any]
    files: tuple[Path, Path, Path]
    addresses: dict[str, str]

    def probabilities(self) -> Any:
        return pytest.approx(np.array([[*self.wanted["probabilities"].values()]]), abs=1e-3)


@pytest.fixture(scope="module")
def sent(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Sent:
    folder, photo = tmp_path_factory.mktemp("sent"), labelled_photos(1)[0][1]
    files = folder / "photo.jpg", folder / "pixels.npy", folder / "requests.json"
    files[0].write_bytes(photo)
    np.save(files[1], prepare(photo, open_package(starter_path()).manifest.input)[None])
    encoded = base64.b64encode(photo).decode()
    tensor = {"b64": base64.b64encode(packed(photo)).decode(), "shape": [1]}
    files[2].write_text(json.dumps({"data": [{"image": tensor}]}))
    wanted = release.ask("POST", "/predict", body=photo).json()
    host = release.url().removeprefix("http://").partition(":")[0]
    return Sent(encoded, wanted, files, {"http": f"{host}:{HTTP}", "grpc": f"{host}:{GRPC}"})


@pytest.fixture
def inside(release: Release) -> Callable[..., str]:
    """Runs a client in the node's network, and returns what it printed."""
    return lambda *argv, given=None: quick(*release.node.space.inside(*argv), given=given)


@pytest.mark.parametrize("kind", ["http", "http.aio", "grpc", "grpc.aio"])
def test_tritons_client_gets_what_predict_gives(sent: Sent, inside: Callable[..., str], kind: str) -> None:
    protocol = kind.partition(".")[0]
    python = tools.find("open-inference-clients") if protocol == "grpc" else sys.executable
    found = json.loads(inside(python, CALLS / "triton_calls.py", kind, sent.addresses[protocol], *sent.files[:2]))
    assert all(found[name] for name in ("live", "ready", "model ready", "version ready"))
    assert found["metadata"]["versions"] == ["1"]
    assert found["response"] == {"model_name": "dandelion", "model_version": "1", "id": "mine-1"}
    assert found["labels"] == [sent.wanted["label"]] * 2
    for each in (found["probabilities"][:1], *found["compressed"], *found["pixels"]):
        assert np.array(each) == sent.probabilities()


def test_kserves_clients_get_what_predict_gives(sent: Sent, inside: Callable[..., str]) -> None:
    argv = [tools.find("open-inference-clients"), CALLS / "kserve_calls.py"]
    found = json.loads(inside(*argv, f"http://{sent.addresses['http']}", sent.addresses["grpc"], sent.files[0]))
    assert len(found) == 3
    for each in found.values():
        assert each["live"]
        assert each["model ready"]
        assert each["label"] == sent.wanted["label"]
        assert np.array(each["probabilities"]) == sent.probabilities()


def test_the_gateway_routes_grpc(release: Release, gateway: str, sent: Sent, inside: Callable[..., str]) -> None:
    before = classified(release)
    argv = [gateway.removeprefix("http://"), "grpc.default_authority", GRPC_HOST, 5]
    said = inside(sys.executable, "-c", CLASSIFY, *argv, given=sent.encoded)
    assert said.split() == [sent.wanted["label"]] * 5
    assert sum(count - before.get(name, 0) for name, count in classified(release).items()) == 5


@pytest.fixture
def stranger(release: Release, images: dict[str, str]) -> Iterator[str]:
    """A pod beside the release that no policy knows."""
    container = {
        "name": "main",
        "image": images["api"],
        "command": ["sleep", "infinity"],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    release.kubectl.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stranger"}, "spec": spec})
    release.kubectl("wait", "--for=condition=Ready", "--timeout=120s", "pod/stranger")
    yield "stranger"
    release.kubectl("delete", "pod", "stranger")


def test_grpc_is_for_pods_that_the_policy_names_and_they_reach_every_pod(
    release: Release, stranger: str, sent: Sent
) -> None:
    """The channel is the one of docs/install.md."""
    assert not release.reaches(stranger, "dandelion-api", GRPC)
    assert not release.reaches(stranger, "dandelion-api", HTTP)
    for name, value in REACHES_API.items():
        release.kubectl("label", "pod", stranger, f"{name}={value}")
    wait_until(lambda: release.reaches(stranger, "dandelion-api", GRPC), "it is let in", seconds=60, every=0.5)
    before = classified(release)
    channel = [f"dns:///dandelion-api-grpc:{GRPC}", "grpc.lb_policy_name", "round_robin"]
    words = ["python", "-c", CLASSIFY, *channel, "20"]
    said = release.kubectl("exec", "-i", stranger, "--", *words, given=sent.encoded)
    assert said.split() == [sent.wanted["label"]] * 20
    both = {name: count - before[name] for name, count in classified(release).items() if name in before}
    assert len(both) > 1
    assert all(both.values()), both


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_perf_analyzer_counts_no_errors(
    release: Release, sent: Sent, inside: Callable[..., str], protocol: str
) -> None:
    """It comes last: its load may start more pods."""
    address = sent.addresses[protocol]
    if protocol == "http":
        # It subtracts the statistics of a pod from later ones, and connections of its own may lead to another pod.
        address = f"{release.pods()[0]['status']['podIP']}:{HTTP}"
    where = ["-m", "dandelion", "-i", protocol, "-u", address]
    what = ["--input-data", sent.files[2], "--shape", "image:1", "--concurrency-range", 2, "--request-count", 40]
    said = inside(tools.find("perf-analyzer"), *where, *what)
    assert "Request count: 40" in said
    assert "Failed" not in said


def classified(release: Release) -> dict[str, int]:
    """How many photos each ready API pod has classified by the Open Inference Protocol."""
    found = {}
    for pod in release.pods():
        if is_ready(pod):
            url = f"http://{pod['status']['podIP']}:{HTTP}/v2/models/dandelion/stats"
            (stats,) = ask(release.node, "GET", url).json()["model_stats"]
            found[pod["metadata"]["name"]] = stats["inference_count"]
    return found
