"""Settings: how photos are decoded, batched and classified."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dandelion.settings.section import Section


class InferenceSettings(Section):
    """How photos are decoded, batched and classified."""

    runtime: Literal["auto", "openvino", "torch"] = Field(
        "auto", description="`auto` runs OpenVINO on the CPU, or torch where a CUDA GPU and torch are present."
    )
    precision: Literal["auto", "float32", "bfloat16", "int8"] = Field(
        "auto", description="`auto` takes the fastest precision that the CPU accelerates and the package contains."
    )
    workers: int = Field(
        0,
        ge=0,
        le=64,
        description="Number of threads that decode and infer in parallel; 0 means one more than the cores that the "
        "process may use, so that no core is idle while a worker waits for Python's lock.",
    )
    max_batch: int = Field(8, ge=1, le=256, description="Maximum number of photos in one batch.")
    max_wait_ms: float = Field(
        0.0, ge=0, le=1000, description="How long a worker waits for more photos before it runs a batch, milliseconds."
    )
    max_queue: int = Field(
        256, ge=1, description="Maximum number of photos in the queue; one more gets 503 with Retry-After."
    )
    deadline_seconds: float = Field(
        10.0, gt=0, description="Maximum time that a photo waits in the queue; after it the request gets 503."
    )
