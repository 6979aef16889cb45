"""A pretend collector for tests: takes spans over OTLP/HTTP on a free port, and knows what it was told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

_LOOKS_EVERY: Final = 0.02


@dataclass(frozen=True, slots=True)
class Told:
    """One span as a collector hears of it."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    failed: bool
    attributes: dict[str, Any]


class Collector:
    """Listens as long as the block lasts. ``status`` is what it answers; ``silent`` lets it answer late."""

    def __init__(self, *, status: int = 200, silent: float = 0.0) -> None:
        self.status = status
        self.spans: list[Told] = []
        self.headers: list[dict[str, str]] = []
        """Of each request, with names in small letters."""
        self._silence = silent
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def endpoint(self) -> str:
        """For ``OTEL_EXPORTER_OTLP_ENDPOINT``."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def variables(self) -> dict[str, str]:
        """What lets a service export to it soon."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        }

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def named(self, name: str) -> list[Told]:
        """The spans of this name."""
        return [span for span in self.spans if span.name == name]

    def wait(self, enough: Callable[[Self], bool], within: float = 30.0) -> None:
        """Wait until *enough* is told.

        Raises:
            TimeoutError: it never was; says what was.
        """
        end = time.monotonic() + within
        while not enough(self):
            if time.monotonic() > end:
                raise TimeoutError(f"the collector was told only {self.spans}")
            time.sleep(_LOOKS_EVERY)

    def _take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [_told(named.get("service.name", ""), span) for span in scope.spans]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                """Take what is exported."""
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                collector._over.wait(collector._silence)
                if collector.status == 200 and self.path == "/v1/traces":  # noqa: PLR2004 - taken
                    collector._take(body)
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name where it comes from
                """Say nothing."""

        return Handler


def _told(service: str, span: Span) -> Told:
    return Told(
        service=service,
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        attributes={
            one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value")
            for one in span.attributes
        },
    )
