"""Plain FastAPI, Pillow and eager torch: what a team writes on its first afternoon. Runs in the peers' environment."""

import io
import os

import timm
import torch
import uvicorn
from fastapi import FastAPI, UploadFile
from PIL import Image
from safetensors.torch import load_file
from timm.data import create_transform, resolve_data_config

SIZE, NAME = int(os.environ["BENCH_SIZE"]), os.environ["BENCH_MODEL"]

model = timm.create_model(NAME, num_classes=2)
model.load_state_dict(load_file(os.environ["BENCH_WEIGHTS"]))
model.eval()
transform = create_transform(**resolve_data_config({"input_size": (3, SIZE, SIZE)}, model=model))
app = FastAPI()


@app.get("/health")
def health() -> str:
    return "ok"


@app.post("/predict")
def predict(file: UploadFile) -> dict[str, float]:
    photo = Image.open(io.BytesIO(file.file.read())).convert("RGB")
    with torch.inference_mode():
        probabilities = model(transform(photo)[None]).softmax(1)[0].tolist()
    return dict(zip(("dandelion", "grass"), probabilities, strict=True))


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["BENCH_PORT"]), log_level="warning")
