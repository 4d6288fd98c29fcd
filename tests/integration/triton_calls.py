"""Drives Triton's public client, blocking or asynchronous; a process of its own, since it brings a loop of its own.

python tests/integration/triton_calls.py http|aio ADDRESS PHOTO PIXELS     # prints what it got, as JSON
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.http
import tritonclient.http.aio
from tritonclient.utils import InferenceServerException

MODEL, VERSION = "dandelion", "local"


async def call(client: Any, name: str, *given: Any, **named: Any) -> Any:
    """The same of both clients."""
    result = getattr(client, name)(*given, **named)
    return await result if inspect.isawaitable(result) else result


def photos(*encoded: bytes) -> list[Any]:
    tensor = tritonclient.http.InferInput("image", [len(encoded)], "BYTES")
    return [tensor.set_data_from_numpy(np.array(encoded, dtype=np.object_))]


async def main(kind: str, address: str, photo: bytes, pixels: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    client: Any = (tritonclient.http.aio if kind == "aio" else tritonclient.http).InferenceServerClient(address)

    async def infer(inputs: list[Any], **named: Any) -> Any:
        return await call(client, "infer", MODEL, inputs, **named)

    async def refused(name: str, *given: Any, **named: Any) -> str:
        try:
            return f"not refused: {await call(client, name, *given, **named)}"
        except InferenceServerException as error:
            return f"{error.status()} {error.message()}"

    found["live"] = await call(client, "is_server_live")
    found["ready"] = await call(client, "is_server_ready")
    found["server"] = await call(client, "get_server_metadata")
    found["model ready"] = await call(client, "is_model_ready", MODEL)
    found["version ready"] = await call(client, "is_model_ready", MODEL, VERSION)
    found["other ready"] = [await call(client, "is_model_ready", *each) for each in (("other",), (MODEL, "7"))]
    found["metadata"] = await call(client, "get_model_metadata", MODEL, VERSION)
    found["config"] = await call(client, "get_model_config", MODEL)
    found["statistics"] = await call(client, "get_inference_statistics", MODEL)
    result = await infer(photos(photo, photo), request_id="mine-1", model_version=VERSION)
    found["response"] = {key: value for key, value in result.get_response().items() if key != "outputs"}
    found["labels"] = [label.decode() for label in result.as_numpy("label")]
    found["probabilities"] = result.as_numpy("probabilities").tolist()
    found["in_distribution"] = result.as_numpy("in_distribution").tolist()
    found["compressed"] = []
    for coding in ("gzip", "deflate"):
        named = {"request_compression_algorithm": coding, "response_compression_algorithm": coding}
        found["compressed"].append((await infer(photos(photo), **named)).as_numpy("probabilities").tolist())
    output = tritonclient.http.InferRequestedOutput
    wanted = [output("probabilities", binary_data=True, class_count=1), output("embedding", binary_data=False)]
    result = await infer(photos(photo), outputs=wanted)
    found["classes"] = [text.decode() for text in result.as_numpy("probabilities").ravel()]
    found["embedding"] = result.as_numpy("embedding").shape
    for binary in (True, False):
        tensor = tritonclient.http.InferInput("pixels", pixels.shape, "UINT8")
        result = await infer([tensor.set_data_from_numpy(pixels, binary_data=binary)])
        found[f"pixels, binary {binary}"] = result.as_numpy("probabilities").tolist()
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
