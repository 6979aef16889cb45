"""Starts the real processes of a benchmark, reads what they cost from /proc, and always ends them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Self

from baleen_runtime.testing import cpu_seconds, resident_bytes

ROOT = Path(__file__).resolve().parent.parent


class ProcessFailedError(Exception):
    """A process of the benchmark ended early or never said what it had to say."""


class Process:
    """One child process; its standard error goes to a file in *directory*.

    A `ServiceProcess` is a service of ours; this is any command, and one may talk with it over pipes.

    Args:
        name: how it is called in the figures.
        command: what to run.
        directory: where its log is kept.
        environ: variables on top of a clean environment.
    """

    def __init__(
        self, name: str, command: list[str], *, directory: Path, environ: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self._log = directory / f"{name}.log"
        ours = ("BALEEN_", "WS_GATEWAY_", "UW_INGEST_", "ALERT_BRIDGE_")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**inherited, "PYTHONUNBUFFERED": "1", **(environ or {})},
            )

    @classmethod
    def python(
        cls, name: str, *arguments: str, directory: Path, environ: Mapping[str, str] | None = None
    ) -> Self:
        """A process of this interpreter."""
        return cls(name, [sys.executable, *arguments], directory=directory, environ=environ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self, within: float = 5.0) -> None:
        """Ask it to leave, insist after *within* seconds."""
        if self._child.stdin:
            self._child.stdin.close()
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)
            try:
                self._child.wait(within)
            except subprocess.TimeoutExpired:
                self._child.kill()
        self._child.wait()
        if self._child.stdout:
            self._child.stdout.close()

    @property
    def output(self) -> IO[bytes]:
        """Its standard output."""
        assert self._child.stdout is not None  # noqa: S101 - it was made with a pipe
        return self._child.stdout

    def say(self, line: Any) -> None:
        """Write one line of JSON to its standard input."""
        assert self._child.stdin is not None  # noqa: S101 - it was made with a pipe
        self._child.stdin.write(json.dumps(line).encode() + b"\n")
        self._child.stdin.flush()

    def hear(self) -> Any:
        """Read one line of JSON from its standard output.

        Raises:
            ProcessFailedError: it ended instead.
        """
        line = self.output.readline()
        if not line:
            raise ProcessFailedError(f"{self.name} ended: {self.tail()}")
        return json.loads(line)

    def logged(self, event: str, within: float = 20.0) -> dict[str, Any]:
        """Wait for the JSON log line called *event*.

        Raises:
            ProcessFailedError: it did not come within *within* seconds.
        """
        deadline = time.monotonic() + within
        while time.monotonic() < deadline and self._child.poll() is None:
            for line in self._log.read_bytes().splitlines():
                entry = _as_object(line)
                if entry.get("event") == event:
                    return entry
            time.sleep(0.02)
        raise ProcessFailedError(f"{self.name} never said {event!r}: {self.tail()}")

    def wait(self, within: float) -> int:
        """Wait until it ends by itself; its exit code."""
        return self._child.wait(within)

    def tail(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-2000:] or "(it logged nothing)"

    def cpu_seconds(self) -> float:
        """CPU seconds it has used, user and system."""
        return cpu_seconds(self._child.pid)

    def resident_bytes(self) -> int:
        """Memory it holds."""
        return resident_bytes(self._child.pid)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid


class Nats(Process):
    """A nats-server of our own, with JetStream and a WebSocket listener, on free ports."""

    def __init__(self, directory: Path) -> None:
        config = directory / "nats.conf"
        config.write_text(
            'listen: "127.0.0.1:-1"\n'
            f'jetstream {{ store_dir: "{directory / "store"}" }}\n'
            'websocket { listen: "127.0.0.1:-1", no_tls: true }\n'
        )
        binary = Path(sys.executable).parent / "nats-server"
        command = [str(binary), "-c", str(config), "--ports_file_dir", str(directory)]
        super().__init__("nats", command, directory=directory)
        ports = self._ports(directory)
        self.url: str = ports["nats"][0]
        self.websocket_url: str = ports["websocket"][0]

    def _ports(self, directory: Path) -> dict[str, list[str]]:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self._child.poll() is None:
            for path in directory.glob("nats-server_*.ports"):
                ports = _as_object(path.read_bytes())
                if ports:
                    return ports
            time.sleep(0.01)
        raise ProcessFailedError(f"nats-server did not start: {self.tail()}")


def _as_object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
