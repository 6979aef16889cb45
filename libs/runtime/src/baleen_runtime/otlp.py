"""Exports spans to a collector over OTLP/HTTP, from a thread of its own and never in anybody's way.

What the collector does not take in time is dropped. Everything else that OpenTelemetry's SDK reads from
``OTEL_…`` variables (sampler, resource, batches, timeouts, compression, certificates) it reads here too.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Span as LibrarySpan
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.util.re import parse_env_headers

from baleen_runtime.logs import hide
from baleen_runtime.traceparent import context_of, written
from baleen_runtime.tracing import Kind, Value, current

LEAVE_WITHIN: Final = 1.5
"""Seconds in which spans are still exported when the process leaves."""
LONGEST_VALUE: Final = 200
_MOST_CAUSES: Final = 32

log = structlog.get_logger(__name__)


class Otlp:
    """Records spans and exports them in batches.

    Args:
        service: by which name they are found; ``OTEL_SERVICE_NAME`` overrules it.
        endpoint: the whole URL; never shown beyond its host.
        headers: as ``OTEL_EXPORTER_OTLP_HEADERS`` has them; never shown.
    """

    def __init__(self, service: str, endpoint: str, headers: str) -> None:
        given = parse_env_headers(headers, liberal=True)
        hide([*given.values(), *_secrets_in(endpoint)])
        self._causes = _Causes()
        exporter = OTLPSpanExporter(endpoint=endpoint, headers=given, session=_Session(self._causes))
        self._exporter = _Telling(exporter, self._causes)
        self._provider = TracerProvider(
            resource=_resource(service),
            shutdown_on_exit=False,  # it would wait half a minute
            span_limits=SpanLimits(max_attribute_length=LONGEST_VALUE, max_span_attributes=32),
        )
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("baleen")
        where = urlsplit(endpoint)
        log.info("traces are exported", collector=f"{where.scheme}://{where.hostname}:{where.port or ''}")

    @contextmanager
    def span(
        self, name: str, kind: Kind, after: str | None, attributes: dict[str, Value | None]
    ) -> Iterator[_Recorded]:
        """Record the block as one span, which continues *after* if there is one.

        An exception fails it by its type: what it says may be a secret.
        """
        span = self._tracer.start_span(name, context_of(after or ""), SpanKind[kind.name])
        recorded = _Recorded(span, after)
        recorded.note(**attributes)
        token = current.set(recorded.traceparent)
        try:
            yield recorded
        except BaseException as error:
            recorded.fail(type(error).__name__)
            raise
        finally:
            current.reset(token)
            span.end()

    async def close(self) -> None:
        """Export what is left; a collector that does not answer gets `LEAVE_WITHIN` seconds."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop has not waited
                loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=shut_down, name="traces-leave", daemon=True).start()
        try:
            async with asyncio.timeout(LEAVE_WITHIN):
                await ended.wait()
        except TimeoutError:
            self._causes.end()
            self._exporter.shutdown()  # ends the pause before a further try
            log.warning("left before all traces were exported")
        self._causes.end()


class _Recorded:
    """A span of the library's."""

    __slots__ = ("_span", "traceparent")

    def __init__(self, span: LibrarySpan, after: str | None) -> None:
        self._span = span
        self.traceparent = written(span.get_span_context()) or after

    def note(self, **attributes: Value | None) -> None:
        """Say more of it."""
        for name, value in attributes.items():
            if value is not None:
                self._span.set_attribute(name.replace("__", "."), value)

    def fail(self, why: str) -> None:
        """It did not work."""
        self._span.set_attribute("error.type", why)
        self._span.set_status(Status(StatusCode.ERROR))


class _Telling(SpanExporter):
    """Exports by *exporter*, and lets *causes* tell what comes of it."""

    def __init__(self, exporter: SpanExporter, causes: _Causes) -> None:
        self._exporter, self._causes = exporter, causes

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export a batch; one that fails is lost."""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._causes.over()
        else:
            self._causes.tell(len(spans))
        return result

    def shutdown(self) -> None:
        """Let go of connections."""
        self._exporter.shutdown()


class _Session(requests.Session):
    """Lets *causes* hear why a request was not taken."""

    def __init__(self, causes: _Causes) -> None:
        super().__init__()
        self._causes = causes

    def request(self, *args: Any, **more: Any) -> requests.Response:
        """Send a request."""
        try:
            answer = super().request(*args, **more)
        except Exception as error:
            self._causes.heard(_words(error))
            raise
        if not answer.ok:
            self._causes.heard(f"status {answer.status_code}")
        return answer


class _Causes(logging.Handler):
    """Tells each cause once until an export works again, in the place of what the library logs.

    The library's words hold addresses and go on for ever; of an error only types are shown.
    """

    def __init__(self) -> None:
        super().__init__()
        self._cause: str | None = None
        """The first that was heard of since a batch was last taken or lost."""
        self._ended = False
        self._told: set[str] = set()
        self._library = logging.getLogger("opentelemetry")
        self._library.addHandler(self)
        self._library.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        """Tell of the one thing that is heard of nowhere else."""
        if record.msg.startswith("Queue full"):
            self._tell_once("more spans than the collector takes", "spans are dropped")

    def heard(self, why: str) -> None:
        """A request was not taken."""
        self._cause = self._cause or why

    def tell(self, spans: int) -> None:
        """A batch was lost."""
        self._tell_once(self._cause or "unknown", "traces are not exported", spans=spans)
        self._cause = None

    def over(self) -> None:
        """A batch was taken."""
        self._cause = None
        if self._told:
            log.info("traces are exported again")
            self._told.clear()

    def end(self) -> None:
        """Tell nothing any more; the library's log stays silent, whatever its threads still have to say."""
        self._ended = True
        self._library.addHandler(logging.NullHandler())
        self._library.removeHandler(self)

    def _tell_once(self, cause: str, event: str, **more: Any) -> None:
        if not self._ended and cause not in self._told and len(self._told) < _MOST_CAUSES:
            self._told.add(cause)
            log.warning(event, cause=cause, **more)


def _words(error: BaseException) -> str:
    """What may be shown of an error: its type and its root's, or the operating system's word."""
    root = error
    while (deeper := root.__cause__ or root.__context__) is not None:
        root = deeper
    reason = root.strerror if isinstance(root, OSError) and root.strerror else type(root).__name__
    return f"{type(error).__name__}: {reason}"


def _secrets_in(endpoint: str) -> list[str]:
    parts = urlsplit(endpoint)
    return [text for text in (parts.password, parts.query) if text]


def _resource(service: str) -> Resource:
    named = OTELResourceDetector().detect().attributes
    return Resource.create({} if SERVICE_NAME in named else {SERVICE_NAME: service})
