"""The statistics extension: what this process counted since it started."""

from __future__ import annotations

import msgspec
from prometheus_client.metrics import MetricWrapperBase

from dandelion.domain import ModelRef
from dandelion.telemetry import instruments


class Duration(msgspec.Struct):
    """How often something happened, and how long it took together, nanoseconds."""

    count: int
    ns: int


class InferenceStatistics(msgspec.Struct):
    """Requests by outcome; then the stages of each photo, whose share of the time of its batch is that of inference."""

    success: Duration
    fail: Duration
    queue: Duration
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration
    # Clients of Triton's read all fields; there is no cache.
    cache_hit: Duration
    cache_miss: Duration


class ModelStatistics(msgspec.Struct):
    """Predictions by all ways in. Only `inference_count` is the version's own: nothing else is counted by version.

    Attributes:
        last_inference: When the last predictions were sent, milliseconds since the epoch; 0 if none were.
        inference_count: Photos that this version classified.
        execution_count: Batches of all versions.
        batch_stats: Always empty; times of batches are not measured by size.
    """

    name: str
    version: str
    last_inference: int
    inference_count: int
    execution_count: int
    inference_stats: InferenceStatistics
    batch_stats: list[Duration]


def measure(ref: ModelRef, last_prediction: float) -> ModelStatistics:
    """The statistics of this process, under the name of the serving model.

    Args:
        ref: The serving model.
        last_prediction: When the last predictions were sent, seconds since the epoch.
    """
    nothing = Duration(0, 0)
    decode, infer = _duration(instruments.DECODE_SECONDS), _duration(instruments.INFERENCE_SECONDS)
    return ModelStatistics(
        name=ref.name,
        version=ref.version,
        last_inference=int(last_prediction * 1000),
        inference_count=int(_sum(instruments.PREDICTIONS, "_total", version=ref.version)),
        execution_count=infer.count,
        inference_stats=InferenceStatistics(
            success=_duration(instruments.PREDICTION_SECONDS),
            # Nobody measures how long failures take.
            fail=Duration(int(_sum(instruments.PREDICTION_ERRORS, "_total")), 0),
            queue=_duration(instruments.QUEUE_SECONDS),
            compute_input=decode,
            # perf_analyzer demands the same count of all three.
            compute_infer=Duration(decode.count, infer.ns),
            compute_output=Duration(decode.count, 0),
            cache_hit=nothing,
            cache_miss=nothing,
        ),
        batch_stats=[],
    )


def _duration(histogram: MetricWrapperBase) -> Duration:
    return Duration(int(_sum(histogram, "_count")), int(_sum(histogram, "_sum") * 1e9))


def _sum(metric: MetricWrapperBase, suffix: str, **labels: str) -> float:
    """Over all series with these labels."""
    return sum(
        sample.value
        for each in metric.collect()
        for sample in each.samples
        if sample.name.endswith(suffix) and labels.items() <= sample.labels.items()
    )
