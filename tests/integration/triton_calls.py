"""Drives Triton's public client, blocking or asynchronous; a process of its own, since it brings a loop of its own.

python tests/integration/triton_calls.py http|http.aio|grpc|grpc.aio ADDRESS PHOTO PIXELS  # prints what it got
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tritonclient.utils import InferenceServerException

MODEL = "dandelion"


async def call(client: Any, name: str, *given: Any, **named: Any) -> Any:
    """The same of all clients."""
    result = getattr(client, name)(*given, **named)
    return await result if inspect.isawaitable(result) else result


async def main(kind: str, address: str, photo: bytes, pixels: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    is_grpc = kind.startswith("grpc")
    tensors: Any = importlib.import_module("tritonclient.grpc" if is_grpc else "tritonclient.http")
    client: Any = importlib.import_module(f"tritonclient.{kind}").InferenceServerClient(address)
    as_json: dict[str, Any] = {"as_json": True} if is_grpc else {}

    def photos(*encoded: bytes) -> list[Any]:
        tensor = tensors.InferInput("image", [len(encoded)], "BYTES")
        return [tensor.set_data_from_numpy(np.array(encoded, dtype=np.object_))]

    async def infer(inputs: list[Any], **named: Any) -> Any:
        return await call(client, "infer", MODEL, inputs, **named)

    async def refused(name: str, *given: Any, **named: Any) -> str:
        try:
            return f"not refused: {await call(client, name, *given, **named)}"
        except InferenceServerException as error:
            return f"{error.status()} {error.message()}"

    async def is_ready(*model: str) -> bool:
        try:
            return bool(await call(client, "is_model_ready", *model))
        except InferenceServerException:  # as gRPC says that there is no such model
            return False

    found["live"] = await call(client, "is_server_live")
    found["ready"] = await call(client, "is_server_ready")
    found["server"] = await call(client, "get_server_metadata", **as_json)
    version = (await call(client, "get_model_metadata", MODEL, **as_json))["versions"][0]
    found["model ready"] = await is_ready(MODEL)
    found["version ready"] = await is_ready(MODEL, version)
    found["other ready"] = [await is_ready("other"), await is_ready(MODEL, "7")]
    found["metadata"] = await call(client, "get_model_metadata", MODEL, version, **as_json)
    config = await call(client, "get_model_config", MODEL, **as_json)
    found["config"] = config["config"] if is_grpc else config
    found["statistics"] = await call(client, "get_inference_statistics", MODEL, **as_json)
    result = await infer(photos(photo, photo), request_id="mine-1", model_version=version)
    response = result.get_response(**as_json)
    found["response"] = {key: response[key] for key in ("model_name", "model_version", "id")}
    found["labels"] = [label.decode() for label in result.as_numpy("label")]
    found["probabilities"] = result.as_numpy("probabilities").tolist()
    found["in_distribution"] = result.as_numpy("in_distribution").tolist()
    found["compressed"] = []
    ways = ["compression_algorithm"] if is_grpc else ["request_compression_algorithm", "response_compression_algorithm"]
    for coding in ("gzip", "deflate"):
        compressed = await infer(photos(photo), **dict.fromkeys(ways, coding))
        found["compressed"].append(compressed.as_numpy("probabilities").tolist())
    output = tensors.InferRequestedOutput
    wanted = [output("probabilities", class_count=1), output("embedding")]
    result = await infer(photos(photo), outputs=wanted)
    found["classes"] = [text.decode() for text in result.as_numpy("probabilities").ravel()]
    found["embedding"] = result.as_numpy("embedding").shape
    for named in [{}] if is_grpc else [{"binary_data": True}, {"binary_data": False}]:
        tensor = tensors.InferInput("pixels", pixels.shape, "UINT8")
        result = await infer([tensor.set_data_from_numpy(pixels, **named)])
        found.setdefault("pixels", []).append(result.as_numpy("probabilities").tolist())
    found["errors"] = [
        await refused("infer", "other", photos(photo)),
        await refused("infer", MODEL, photos(photo), model_version="7"),
        await refused("infer", MODEL, photos(b"no photo")),
        await refused("infer", MODEL, photos(*[photo] * 21)),
        await refused("infer", MODEL, photos(bytes(9_000_000))),
        await refused("get_model_repository_index"),
        await refused("get_system_shared_memory_status"),
    ]
    await call(client, "close")
    return found


if __name__ == "__main__":
    given = sys.argv[1:]
    print(json.dumps(asyncio.run(main(given[0], given[1], Path(given[2]).read_bytes(), np.load(given[3])))))
