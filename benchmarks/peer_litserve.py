"""LitServe as its documentation shows for images: UploadFile, Pillow, eager torch, its batching.

With BENCH_RUNTIME=openvino it is given our decoding and our graph instead. Runs in the peers' environment.
"""

import io
import os
from pathlib import Path

import litserve
import numpy as np
import timm
import torch
from fastapi import Request  # this annotation makes LitServe hand over the form
from PIL import Image
from safetensors.torch import load_file
from timm.data import create_transform, resolve_data_config

SIZE, NAME = int(os.environ["BENCH_SIZE"]), os.environ["BENCH_MODEL"]
CLASSES = ("dandelion", "grass")


class Eager(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.model = timm.create_model(NAME, num_classes=2)
        self.model.load_state_dict(load_file(os.environ["BENCH_WEIGHTS"]))
        self.model.eval().to(device)
        self.transform = create_transform(**resolve_data_config({"input_size": (3, SIZE, SIZE)}, model=self.model))

    def decode_request(self, request: Request) -> torch.Tensor:
        photo = Image.open(io.BytesIO(request["file"].file.read())).convert("RGB")
        return self.transform(photo)

    def batch(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        return torch.stack(inputs)

    def predict(self, batch: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return self.model(batch).softmax(1)

    def unbatch(self, output: torch.Tensor) -> list[torch.Tensor]:
        return list(output)

    def encode_response(self, output: torch.Tensor) -> dict[str, float]:
        return dict(zip(CLASSES, output.tolist(), strict=True))


class OurRuntime(litserve.LitAPI):
    def setup(self, device: str) -> None:
        from dandelion.inference.openvino_runtime import OpenVinoRuntime
        from dandelion.package import open_package

        self.package = open_package(Path(os.environ["BENCH_PACKAGE"]))
        self.runtime = OpenVinoRuntime(self.package, "auto", 1)

    def decode_request(self, request: Request) -> np.ndarray:
        from dandelion.imaging import prepare

        return prepare(request["file"].file.read(), self.package.manifest.input)

    def batch(self, inputs: list[np.ndarray]) -> np.ndarray:
        return np.stack(inputs)

    def predict(self, batch: np.ndarray) -> np.ndarray:
        from dandelion.package import softmax

        return softmax(self.runtime.run(batch).logits)

    def unbatch(self, output: np.ndarray) -> list[np.ndarray]:
        return list(output)

    def encode_response(self, output: np.ndarray) -> dict[str, float]:
        return dict(zip(CLASSES, output.tolist(), strict=True))


if __name__ == "__main__":
    kind = OurRuntime if os.environ.get("BENCH_RUNTIME") == "openvino" else Eager
    api = kind(max_batch_size=8, batch_timeout=0.005, api_path="/predict")
    # Two workers share the two cores; one worker was slower here.
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=int(os.environ["BENCH_CORES"]))
    server.run(host="127.0.0.1", port=int(os.environ["BENCH_PORT"]), generate_client_file=False, log_level="warning")
