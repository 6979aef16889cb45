"""What prometheus-nats-exporter makes of nats-server's own figures, by its rules, for the names we use.

The exporter itself is not at hand for tests. It turns each number of `/varz` into `nats_varz_NAME` and names
those of `/jsz` one by one; what this serves is read from a real nats-server, so a figure that the server does
not have is missing here too.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx

Figures = dict[str, Any]


def told(varz: Figures, jsz: Figures) -> str:
    """Return the exposition."""
    server = {"server_id": varz["server_id"]}
    lines = [
        _line(f"varz_{name}", server, value)
        for name, value in varz.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    lines += [
        _line("server_jetstream_disabled", server, int(jsz.get("disabled", False))),
        _line("server_max_storage", server, jsz.get("config", {}).get("max_storage", 0)),
        _line("server_total_message_bytes", server, jsz.get("bytes", 0)),
    ]
    for account in jsz.get("account_details", ()):  # none once JetStream is off
        for stream in account["stream_detail"]:
            lines += _of_stream(stream, server)
    return "\n".join(lines) + "\n"


def _of_stream(stream: Figures, server: dict[str, str]) -> Iterator[str]:
    labels = {**server, "stream_name": stream["name"], "is_stream_leader": "true"}
    state = stream["state"]
    yield _line("stream_total_messages", labels, state["messages"])
    yield _line("stream_total_bytes", labels, state["bytes"])
    yield _line("stream_last_seq", labels, state["last_seq"])
    yield _line("stream_consumer_count", labels, state["consumer_count"])
    yield _line("stream_limit_bytes", labels, stream["config"]["max_bytes"])
    for consumer in stream.get("consumer_detail", ()):
        whose = {**labels, "consumer_name": consumer["name"], "is_consumer_leader": "true"}
        for name in ("num_pending", "num_ack_pending", "num_redelivered"):
            yield _line(f"consumer_{name}", whose, consumer[name])


def _line(name: str, labels: dict[str, str], value: float) -> str:
    inner = ",".join(f'{key}="{text}"' for key, text in labels.items())
    return f"nats_{name}{{{inner}}} {value}"


@contextmanager
def exporting(monitor: str, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve the exposition of the server at *monitor*; yield the address, as `host:port`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with httpx.Client(base_url=monitor, trust_env=False, timeout=5) as client:
                varz = client.get("/varz").json()
                jsz = client.get("/jsz?accounts=true&streams=true&consumers=true&config=true").json()
            body = told(varz, jsz).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((host, port), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"{host}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(10)


if __name__ == "__main__":  # in a container, by the exporter's own arguments
    given = dict(word.lstrip("-").split("=", 1) for word in sys.argv[1:-1] if "=" in word)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with exporting(sys.argv[-1], "0.0.0.0", int(given["port"])):  # noqa: S104 - only the stack reaches it
        signal.pause()
