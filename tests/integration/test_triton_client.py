"""What people's programs use: the public clients of Triton and KServe, and Triton's load generator."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from dandelion.api.grpc import open_inference_pb2 as pb
from dandelion.domain import ModelRef
from dandelion.imaging import prepare
from dandelion.inference.source import Found
from dandelion.settings import Settings
from tests.integration.conftest import Api, running_api
from tests.integration.protocol_client import packed
from tests.integration.test_protocol_page import PROGRAMS
from tests.photos import labelled_photos
from tests.servers import tools
from tests.servers.ports import free_ports

HERE = Path(__file__).parent
GRPC_ERRORS = ["NOT_FOUND"] * 2 + ["INVALID_ARGUMENT"] + ["RESOURCE_EXHAUSTED"] * 2 + ["UNIMPLEMENTED"] * 2
KINDS = {"http": ["404", "404", "400", "413", "413", "501", "501"], "grpc": [f"StatusCode.{x}" for x in GRPC_ERRORS]}


@dataclass(frozen=True)
class Served:
    """A server that speaks both, a photo with its prediction, and the addresses."""

    api: Api
    photo: bytes
    folder: Path
    wanted: dict[str, Any]
    addresses: dict[str, str]


@pytest.fixture(scope="module")
def served(make_settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder, photo = tmp_path_factory.mktemp("photos"), labelled_photos(1)[0][1]
    (port,) = free_ports(1)
    with running_api(make_settings(grpc={"port": port})) as api:
        (folder / "photo.jpg").write_bytes(photo)
        np.save(folder / "pixels.npy", prepare(photo, api.service.serving.classifier.manifest.input)[None])
        response = httpx.post(f"{api.url}/predict", content=photo, headers={"Content-Type": "image/jpeg"})
        addresses = {"http": "{}:{}".format(*api.address), "grpc": f"127.0.0.1:{port}"}
        yield Served(api, photo, folder, response.json(), addresses)


def run(*argv: object) -> str:
    done = subprocess.run([*map(str, argv)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def probabilities_of(wanted: dict[str, Any]) -> Any:
    return pytest.approx(np.array([[*wanted["probabilities"].values()]]), abs=1e-3)


def check_tritons_client(served: Served, python: str | Path, kind: str) -> None:
    protocol, wanted = kind.partition(".")[0], served.wanted
    files = served.folder / "photo.jpg", served.folder / "pixels.npy"
    found = json.loads(run(python, HERE / "triton_calls.py", kind, served.addresses[protocol], *files))
    assert all(found[name] for name in ("live", "ready", "model ready", "version ready"))
    assert found["other ready"] == [False, False]
    assert found["server"]["name"] == found["metadata"]["name"] == found["config"]["name"] == "dandelion"
    assert int(found["statistics"]["model_stats"][0]["inference_count"]) > 0
    assert found["response"] == {"model_name": "dandelion", "model_version": "local", "id": "mine-1"}
    assert found["labels"] == [wanted["label"]] * 2
    assert found["in_distribution"] == [wanted["in_distribution"]] * 2
    probabilities = probabilities_of(wanted)
    for each in (found["probabilities"][:1], *found["compressed"], *found["pixels"]):
        assert np.array(each) == probabilities
    assert len(found["compressed"]) == 2
    assert found["classes"][0].endswith(f":{wanted['label']}")
    assert found["embedding"] == [1, 1280]
    assert [error.split()[0] for error in found["errors"]] == KINDS[protocol]


@pytest.mark.parametrize("kind", ["http", "http.aio"])
def test_tritons_client_gets_what_predict_gives(served: Served, kind: str) -> None:
    check_tritons_client(served, sys.executable, kind)


@pytest.mark.parametrize("kind", ["grpc", "grpc.aio"])
def test_tritons_client_gets_it_over_grpc(served: Served, kind: str) -> None:
    check_tritons_client(served, tools.find("open-inference-clients"), kind)


def test_the_program_that_the_page_shows_classifies_a_photo_over_grpc(served: Served) -> None:
    (program,) = (each for each in PROGRAMS if "tritonclient.grpc" in each)
    program = program.replace("127.0.0.1:8001", served.addresses["grpc"])
    program = program.replace('"photo.jpg"', repr(str(served.folder / "photo.jpg")))
    assert run(tools.find("open-inference-clients"), "-c", program).split()[0] == served.wanted["label"]


def test_kserves_clients_get_what_predict_gives(served: Served) -> None:
    script, wanted = HERE / "kserve_calls.py", served.wanted
    addresses = served.api.url, served.addresses["grpc"]
    found = json.loads(run(tools.find("open-inference-clients"), script, *addresses, served.folder / "photo.jpg"))
    assert found.keys() == {"rest, binary", "grpc, binary", "grpc, typed"}
    for each in found.values():
        assert each["live"]
        assert each["ready"]
        assert each["model ready"]
        assert (each["id"], each["label"]) == ("mine-2", wanted["label"])
        assert np.array(each["probabilities"]) == probabilities_of(wanted)
        assert "VersionNotFound" not in each["error"]
        assert "404" in each["error"] or "NOT_FOUND" in each["error"]


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_perf_analyzer_counts_no_errors(served: Served, protocol: str) -> None:
    element = {"b64": base64.b64encode(packed(served.photo)).decode(), "shape": [1]}
    (served.folder / "requests.json").write_text(json.dumps({"data": [{"image": element}]}))
    service = served.api.service
    serving = service.serving
    try:
        # It reads a version as a number, as the registry gives them.
        service.swap(Found(ModelRef(name=serving.ref.name, version="3"), serving.classifier.package))
        argv = [tools.find("perf-analyzer"), "-m", serving.ref.name, "-i", protocol, "-u", served.addresses[protocol]]
        argv += ["--input-data", served.folder / "requests.json", "--shape", "image:1"]
        said = run(*argv, "--concurrency-range", 2, "--request-count", 40)
    finally:
        service.swap(Found(serving.ref, serving.classifier.package))
    assert "Request count: 40" in said
    assert "Inference count: 40" in said
    assert "Failed" not in said
    assert "compute infer" in said  # the statistics of the server


@pytest.mark.parametrize(
    ("modules", "newer"),
    [
        (["tritonclient.grpc.service_pb2", "tritonclient.grpc.model_config_pb2"], []),
        # KServe's text lacks two kinds of parameters that Triton's has.
        (["kserve.protocol.grpc.grpc_predict_v2_pb2"], ["double_param", "uint64_param"]),
    ],
)
def test_messages_have_the_numbers_and_types_of_theirs(modules: list[str], newer: list[str], tmp_path: Path) -> None:
    (tmp_path / "ours").write_bytes(pb.DESCRIPTOR.serialized_pb)
    said = run(tools.find("open-inference-clients"), HERE / "wire_calls.py", tmp_path / "ours", *modules)
    *differ, compared = said.splitlines()
    assert [name for name in newer if name not in said] == []
    assert len(differ) == len(newer)
    assert int(compared) > 50
