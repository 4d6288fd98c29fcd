"""What people's programs use: the public client of Triton against a server of ours."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest

from dandelion.imaging import prepare
from tests.integration.conftest import Api
from tests.photos import labelled_photos

CALLS = Path(__file__).with_name("triton_calls.py")


@pytest.mark.parametrize("kind", ["http", "aio"])
def test_tritons_client_gets_what_predict_gives(api: Api, http: httpx.Client, tmp_path: Path, kind: str) -> None:
    photo = labelled_photos(1)[0][1]
    (tmp_path / "photo.jpg").write_bytes(photo)
    np.save(tmp_path / "pixels.npy", prepare(photo, api.service.serving.classifier.manifest.input)[None])
    wanted = http.post("/predict", content=photo, headers={"Content-Type": "image/jpeg"}).json()
    probabilities = pytest.approx(np.array([[*wanted["probabilities"].values()]]), abs=1e-3)

    argv = [sys.executable, str(CALLS), kind, "{}:{}".format(*api.address)]
    argv += [str(tmp_path / "photo.jpg"), str(tmp_path / "pixels.npy")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)

    assert all(found[name] for name in ("live", "ready", "model ready", "version ready"))
    assert found["other ready"] == [False, False]
    assert found["server"]["name"] == found["metadata"]["name"] == found["config"]["name"] == "dandelion"
    assert found["statistics"]["model_stats"][0]["inference_count"] > 0
    assert found["response"] == {"model_name": "dandelion", "model_version": "local", "id": "mine-1"}
    assert found["labels"] == [wanted["label"]] * 2
    assert found["in_distribution"] == [wanted["in_distribution"]] * 2
    assert np.array(found["probabilities"][:1]) == probabilities
    assert [np.array(each) == probabilities for each in found["compressed"]] == [True, True]
    assert np.array(found["pixels, binary True"]) == probabilities
    assert np.array(found["pixels, binary False"]) == probabilities
    assert found["classes"][0].endswith(f":{wanted['label']}")
    assert found["embedding"] == [1, 1280]
    assert [error.split()[0] for error in found["errors"]] == ["404", "404", "400", "413", "413", "501", "501"]
