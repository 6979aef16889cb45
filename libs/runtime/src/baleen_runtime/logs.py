"""Structured logs on standard error, for people or machines, with every secret taken out of every line."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor

from baleen_runtime.redact import Redactor

_redactor = Redactor()


def hide(secrets: Iterable[str]) -> None:
    """Never show *secrets* in a log line, whoever writes it."""
    _redactor.learn(secrets)


def configure_logs(
    level: str = "info",
    style: Literal["console", "json"] = "console",
    *,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Send structlog's and the standard library's records through one redacting pipeline.

    Args:
        level: the least level that is shown: debug, info, warning or error.
        style: `console` for people, `json` for machines.
        secrets: values that no line may show.
        stream: where lines go; standard error by default.
    """
    hide(secrets)
    out = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _redact,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=out.isatty(), pad_event_to=30)
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("httpx", "httpcore", "picows", "uvicorn.access", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)  # they print URLs, and a URL may hold a token


def _redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    kept = {"_record": event.get("_record"), "_from_structlog": event.get("_from_structlog")}
    cleaned = {key: _redactor.value(value) for key, value in event.items() if key not in kept}
    cleaned.update({key: value for key, value in kept.items() if value is not None})
    return cleaned
