"""Structured logs: JSON for machines, coloured lines for people."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from dandelion.settings import LogSettings


def configure_logging(settings: LogSettings) -> None:
    """Send our own and every library's log lines to standard error in one format."""
    as_json = settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Tracebacks without local variables, which hold photos and may hold secrets.
    tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    render: list[Any] = (
        [structlog.processors.ExceptionRenderer(tracebacks), structlog.processors.JSONRenderer()]
        if as_json
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings.level.upper())),
        # Loggers are not cached: one that was used before would stay at the level of an earlier call.
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level.upper())
    for noisy in ("httpx", "httpcore", "alembic", "PIL"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # It warns of every retry; its caller logs once what does not respond.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
