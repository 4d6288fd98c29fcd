"""BentoML as its documentation shows: a batchable API that takes Pillow images, eager torch. Peers' environment."""

from __future__ import annotations

import os

import bentoml
import timm
import torch
from PIL.Image import Image
from safetensors.torch import load_file
from timm.data import create_transform, resolve_data_config

SIZE, NAME = int(os.environ["BENCH_SIZE"]), os.environ["BENCH_MODEL"]


@bentoml.service(workers=int(os.environ["BENCH_CORES"]), traffic={"timeout": 60})
class Classifier:
    def __init__(self) -> None:
        self.model = timm.create_model(NAME, num_classes=2)
        self.model.load_state_dict(load_file(os.environ["BENCH_WEIGHTS"]))
        self.model.eval()
        self.transform = create_transform(**resolve_data_config({"input_size": (3, SIZE, SIZE)}, model=self.model))

    @bentoml.api(batchable=True, max_batch_size=8, max_latency_ms=60_000)
    def predict(self, images: list[Image]) -> list[dict[str, float]]:
        with torch.inference_mode():
            batch = torch.stack([self.transform(image.convert("RGB")) for image in images])
            rows = self.model(batch).softmax(1).tolist()
        return [dict(zip(("dandelion", "grass"), row, strict=True)) for row in rows]
