"""Requests by the Open Inference Protocol over REST, for several modules of tests."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import httpx

JPEG = {"Content-Type": "image/jpeg"}
MODEL = "/v2/models/dandelion"
LENGTH = "Inference-Header-Content-Length"
NAMES = ["label", "probabilities", "in_distribution", "prediction_id"]


def image(*photos: bytes, **more: Any) -> dict[str, Any]:
    """An input with photos in base64."""
    data = [base64.b64encode(photo).decode() for photo in photos]
    return {"name": "image", "shape": [len(photos)], "datatype": "BYTES", "data": data, **more}


def infer(http: httpx.Client, *inputs: dict[str, Any], path: str = MODEL, **more: Any) -> httpx.Response:
    return http.post(f"{path}/infer", json={"inputs": inputs, **more})


def packed(*photos: bytes) -> bytes:
    """A tensor of datatype BYTES."""
    return b"".join(struct.pack("<I", len(photo)) + photo for photo in photos)


def binary(http: httpx.Client, tensor: dict[str, Any], data: bytes, *, length: int = 0, **more: Any) -> httpx.Response:
    """A tensor behind the JSON."""
    head = json.dumps({"inputs": [{"parameters": {"binary_data_size": len(data)}, **tensor}], **more}).encode()
    headers = {LENGTH: str(length or len(head)), "Content-Type": "application/octet-stream"}
    return http.post(f"{MODEL}/infer", content=head + data, headers=headers)


def outputs_of(response: httpx.Response) -> dict[str, Any]:
    """The values of a response in JSON, by name."""
    assert response.status_code == 200, response.text
    return {each["name"]: each["data"] for each in response.json()["outputs"]}


def error_of(response: httpx.Response, status: int = 400) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert list(response.json()) == ["error"]
    return str(response.json()["error"])
