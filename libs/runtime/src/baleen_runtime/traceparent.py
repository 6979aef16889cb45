"""The header by which a trace goes on from one process to the next: W3C Trace Context. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import SpanContext, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

TRACEPARENT: Final = "traceparent"
"""The header's name, over HTTP and on the bus."""

_RAW: Final = TRACEPARENT.encode()
_LONGEST: Final = 512
_PROPAGATOR: Final = TraceContextTextMapPropagator()


def heard(text: str | None) -> str | None:
    """*text* in its one spelling, without what later versions may add; None where it is no traceparent."""
    if not text or len(text) > _LONGEST:
        return None
    return written(get_current_span(context_of(text)).get_span_context())


def heard_in(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The traceparent among an HTTP request's *headers*; None where there is none, or no single one."""
    found = [value for name, value in headers if name == _RAW]
    return heard(found[0].decode("latin-1")) if len(found) == 1 else None


def context_of(traceparent: str) -> Context:
    """What the tracing library makes of it."""
    return _PROPAGATOR.extract({TRACEPARENT: traceparent}, Context())


def written(context: SpanContext) -> str | None:
    """A span as the header says it; None for one that is none."""
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
