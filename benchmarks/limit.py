"""What the machine itself allows: decoding and inference without a server around them."""

from __future__ import annotations

import io
import multiprocessing
import statistics
import time
from pathlib import Path

import numpy as np
from PIL import Image

from dandelion.domain import InputSpec
from dandelion.imaging import prepare
from dandelion.inference.openvino_runtime import OpenVinoRuntime
from dandelion.package import open_package


def measure_limit(package: Path, photo: Path, seconds: float, cores: int) -> float:
    """Photos a second of decoding and batches of 8, one process a core."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(cores) as pool:
        return sum(pool.starmap(loop, [(package, photo, seconds)] * cores))


def loop(package: Path, photo: Path, seconds: float) -> float:
    opened = open_package(package)
    runtime = OpenVinoRuntime(opened, "auto", 1)
    data, spec = photo.read_bytes(), opened.manifest.input

    def batch() -> None:
        runtime.run(np.stack([prepare(data, spec) for _ in range(8)]))

    for _ in range(5):
        batch()
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        batch()
        done += 8
    return done / (time.perf_counter() - started)


def measure_decoding(photo: Path) -> dict[str, float]:
    """A 12-megapixel JPEG to the model's input, against Pillow's full decode and resize."""
    data, spec = photo.read_bytes(), InputSpec(160, 160)

    def full() -> None:
        Image.open(io.BytesIO(data)).convert("RGB").resize((160, 160), Image.Resampling.BICUBIC)

    def median(call: object) -> float:
        times = []
        for _ in range(9):
            started = time.perf_counter()
            call()  # type: ignore[operator]
            times.append((time.perf_counter() - started) * 1000)
        return statistics.median(times)

    ours, theirs = median(lambda: prepare(data, spec)), median(full)
    return {"12-megapixel JPEG, ms": ours, "the same by Pillow in full, ms": theirs, "decoding ratio": theirs / ours}
