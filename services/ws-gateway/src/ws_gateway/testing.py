"""A real gateway process for tests: a free port, ready when it is handed over, gone when the test is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

READY_WITHIN = 20.0
_LEAVES_WITHIN = 15.0


class GatewayProcess:
    """`python -m ws_gateway` on 127.0.0.1; it lives as long as the `with` block."""

    def __init__(self, nats_url: str, **variables: str) -> None:
        """Take note of what to start.

        Args:
            nats_url: the bus it hears.
            variables: further environment variables, such as `WS_GATEWAY_NEWEST_KEPT="100"`.
        """
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        ours = {"BALEEN_NATS_URL": nats_url, "BALEEN_LOG_FORMAT": "json", "WS_GATEWAY_PORT": "0"}
        self._environment = {**kept, **ours, **variables}
        self._log = Path(tempfile.mkstemp(prefix="ws-gateway-", suffix=".log")[1])
        self._process: subprocess.Popen[bytes] | None = None
        self._last_words = ""
        self.port = 0

    @property
    def http(self) -> str:
        """Where HTTP is served, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        """Where WebSockets are served, without a slash at the end."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its process id; that of the supervisor where there are several workers."""
        assert self._process is not None, "the gateway was not started"  # noqa: S101 - a misuse by the test
        return self._process.pid

    def log_text(self) -> str:
        """Return what the process wrote, for a failing test's message."""
        if not self._log.exists():
            return self._last_words
        return self._log.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> int:
        """Ask it to leave (SIGTERM) and return its exit code."""
        assert self._process is not None, "the gateway was not started"  # noqa: S101 - a misuse by the test
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(_LEAVES_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def kill(self) -> None:
        """End it where it stands (SIGKILL)."""
        assert self._process is not None, "the gateway was not started"  # noqa: S101 - a misuse by the test
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ws_gateway"], env=self._environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + READY_WITHIN
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f"the gateway did not become ready:\n{self.log_text()}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()
        self._last_words = self.log_text()
        self._log.unlink(missing_ok=True)

    def _is_ready(self) -> bool:
        if not self.port:
            several = self._environment.get("WS_GATEWAY_WORKERS", "1") != "1"
            event = "all workers listen" if several else "listening"
            self.port = next((entry["port"] for entry in self._entries() if entry.get("event") == event), 0)
        if not self.port:
            return False
        try:
            with urllib.request.urlopen(f"{self.http}/readyz", timeout=2) as answer:  # noqa: S310 - our own address
                return bool(answer.status == 200)  # noqa: PLR2004 - HTTP
        except (urllib.error.URLError, OSError):
            return False

    def _entries(self) -> list[dict[str, Any]]:
        lines = self.log_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
