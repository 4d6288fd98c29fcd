"""OpenTelemetry traces: one span a request and one a stage. Switched off, a span costs a comparison with None."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from dandelion import __version__
from dandelion.settings import TracingSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

SERVICE = "dandelion-api"


class _Active:
    """What `start` created."""

    provider: TracerProvider | None = None
    tracer: Tracer | None = None


def start(settings: TracingSettings) -> None:
    """Start to send spans to the collector in the settings; without one, do nothing."""
    if settings.url is None:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    provider = TracerProvider(
        resource=Resource.create({"service.name": SERVICE, "service.version": __version__}),
        sampler=ParentBased(TraceIdRatioBased(settings.share)),
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.url)))
    _Active.provider, _Active.tracer = provider, provider.get_tracer("dandelion", __version__)


def stop() -> None:
    """Send the waiting spans, then stop. Blocks."""
    if _Active.provider is not None:
        _Active.provider.shutdown()
    _Active.provider = _Active.tracer = None


def request(name: str, headers: Mapping[str, str], **attributes: str) -> AbstractContextManager[object]:
    """The span of a request; it continues the trace of the caller's `traceparent`, if there is one."""
    if _Active.tracer is None:
        return nullcontext()
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    parent = TraceContextTextMapPropagator().extract(headers)
    return _Active.tracer.start_as_current_span(name, parent, SpanKind.SERVER, attributes)


def stage(name: str) -> AbstractContextManager[object]:
    """A span of a stage of the current request."""
    return _Active.tracer.start_as_current_span(name) if _Active.tracer is not None else nullcontext()


def stage_at(name: str, start_ns: int, end_ns: int, **attributes: int) -> None:
    """A span of a stage that ran in another thread; times in nanoseconds since the epoch."""
    if _Active.tracer is not None:
        _Active.tracer.start_span(name, start_time=start_ns, attributes=attributes).end(end_ns)


def trace_id() -> str:
    """The id of the request's trace, 32 hexadecimal digits; empty if the trace is not sampled."""
    if _Active.tracer is None:
        return ""
    from opentelemetry.trace import format_trace_id, get_current_span

    context = get_current_span().get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid and context.trace_flags.sampled else ""
