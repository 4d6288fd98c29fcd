"""Drives KServe's public clients over REST and gRPC; a process of its own, in an environment of its own.

python tests/integration/kserve_calls.py URL ADDRESS PHOTO    # prints what it got, as JSON
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

MODEL = "dandelion"


def request(photo: bytes, *, binary: bool, model: str = MODEL) -> InferRequest:
    tensor = InferInput("image", [1], "BYTES", data=None if binary else [photo])
    if binary:
        tensor.set_data_from_numpy(np.array([photo], dtype=np.object_))
    wanted = [RequestedOutput("label"), RequestedOutput("probabilities")]
    return InferRequest(model, [tensor], request_id="mine-2", request_outputs=wanted)


def found_in(response: Any, error: str, **health: bool) -> dict[str, Any]:
    label = response.get_output_by_name("label").as_numpy().ravel()[0]
    return {
        **health,
        "id": response.id,
        "label": label.decode() if isinstance(label, bytes) else str(label),
        "probabilities": response.get_output_by_name("probabilities").as_numpy().tolist(),
        "error": error,
    }


async def over_rest(url: str, photo: bytes) -> dict[str, Any]:
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=30, retries=0))
    health = {
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "model ready": await client.is_model_ready(url, MODEL),
    }
    response = await client.infer(url, request(photo, binary=True), model_name=MODEL)
    try:
        error = f"not refused: {await client.infer(url, request(photo, binary=True), model_name='other')}"
    except httpx.HTTPStatusError as refused:
        error = str(refused)
    await client.close()
    return found_in(response, error, **health)


async def over_grpc(address: str, photo: bytes, *, binary: bool) -> dict[str, Any]:
    async with InferenceGRPCClient(address, timeout=30, retries=2) as client:
        health = {
            "live": await client.is_server_live(),
            "ready": await client.is_server_ready(),
            "model ready": await client.is_model_ready(MODEL),
        }
        response = await client.infer(request(photo, binary=binary))
        try:
            error = f"not refused: {await client.infer(request(photo, binary=binary, model='other'))}"
        except grpc.RpcError as refused:
            error = str(refused.code())
        return found_in(response, error, **health)


async def main(url: str, address: str, photo: bytes) -> dict[str, Any]:
    return {
        "rest, binary": await over_rest(url, photo),
        "grpc, binary": await over_grpc(address, photo, binary=True),
        "grpc, typed": await over_grpc(address, photo, binary=False),
    }


if __name__ == "__main__":
    logging.disable()
    print(json.dumps(asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]).read_bytes()))))
