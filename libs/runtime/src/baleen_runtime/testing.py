"""A service as a process of its own, for tests: on a free port, ended by its id, its words kept."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self

STARTS_WITHIN: Final = 40.0
"""Seconds; several start at once, on few cores."""
LEAVES_WITHIN: Final = 30.0
OURS: Final = ("BALEEN_", "UW_", "UNUSUAL", "WS_GATEWAY_", "ALERT_BRIDGE_", "DISCORD_SIMULATOR_", "OTEL_")
"""How variables begin that services read; none is inherited."""
_LOOKS_EVERY: Final = 0.02
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def variables_for(prefix: str, **settings: Any) -> dict[str, str]:
    """Settings as the variables of a service: `variables_for("UW_INGEST_", slots=3)`; None is left out."""
    return {f"{prefix}{name.upper()}": _text(value) for name, value in settings.items() if value is not None}


def cpu_seconds(pid: int) -> float:
    """CPU time that a process used so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_bytes(pid: int) -> int:
    """Memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _temporary_file(prefix: str) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=prefix, suffix=".log")
    os.close(descriptor)
    return Path(name)


class ServiceProcess:
    """`python -m MODULE`, which may live several times, one after the other; its log holds all its lives.

    As a `with` or `async with` block it starts, listens when it is handed over, and is gone afterwards.

    Args:
        module: what to run; it logs the JSON line *listens* with its port.
        variables: environment variables besides those of this process that are not `OURS`.
        log: the file that holds its log; without one it is kept until the service is closed.
        name: how it is called in messages.
        listens: the event that tells its port.
    """

    def __init__(
        self,
        module: str,
        variables: Mapping[str, str],
        log: Path | None = None,
        *,
        name: str | None = None,
        listens: str = "listening",
    ) -> None:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
        self.name = name or module
        self.log = log or _temporary_file(f"{module}-")
        self._temporary = log is None
        self._module, self._listens = module, listens
        self._environ = {**inherited, "BALEEN_LOG_FORMAT": "json", **variables}
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0  # where in the log the present life begins
        self._port = 0
        self._last_words = ""

    @property
    def alive(self) -> bool:
        """Whether its process exists."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of its newest life."""
        return self._there().pid

    @property
    def port(self) -> int:
        """Where it listens in this life; 0 while it does not."""
        if not self._port and self.alive:
            told = (entry for entry in self.said() if entry.get("event") == self._listens)
            self._port = next((int(entry["port"]) for entry in told), 0)
        return self._port

    @property
    def http(self) -> str:
        """Where HTTP is served, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        """Where WebSockets are served, without a slash at the end."""
        return f"ws://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin a life; return at once.

        Raises:
            RuntimeError: the last one is not over.
        """
        if self.alive:
            raise RuntimeError(f"{self.name} is alive")
        self._port = 0
        self._began = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as out:
            command = [sys.executable, "-m", self._module]
            self._process = subprocess.Popen(command, env=self._environ, stdout=out, stderr=out)  # noqa: S603 - ours

    def kill(self) -> None:
        """End it where it stands (SIGKILL)."""
        self._port = 0
        if self.alive:
            self._signal(signal.SIGKILL)
            self._there().wait(10)

    def ask_to_leave(self) -> None:
        """Send SIGTERM."""
        self._signal(signal.SIGTERM)

    def leave(self, within: float = LEAVES_WITHIN) -> int:
        """Ask it to leave, and wait until it is `gone`; its exit code."""
        self.thaw()
        self.ask_to_leave()
        return self.gone(within)

    def gone(self, within: float = LEAVES_WITHIN) -> int:
        """Wait until it has ended, and kill it after so many seconds; its exit code."""
        try:
            return self._there().wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._there().wait()

    def close(self) -> None:
        """End it, politely where possible, and forget a log that nobody asked for.

        Raises:
            RuntimeError: it had to be killed.
        """
        killed = self.alive and self.leave() == -signal.SIGKILL
        self._last_words = self.log_text()
        if self._temporary:
            self.log.unlink(missing_ok=True)
        if killed:
            raise RuntimeError(f"{self.name} did not leave:\n{self._last_words[-2_000:]}")

    def freeze(self) -> None:
        """Let it stand still, with its sockets open (SIGSTOP)."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        if self.alive:
            self._signal(signal.SIGCONT)

    def wait_until_listening(self, within: float = STARTS_WITHIN) -> int:
        """Wait for its port, and return it.

        Raises:
            RuntimeError: it ended, or did not tell in time; with its last words.
        """
        self._wait(lambda: bool(self.port), "listen", within)
        return self.port

    def wait_until_ready(self, within: float = STARTS_WITHIN) -> None:
        """Wait until it may be sent work.

        Raises:
            RuntimeError: it ended, or was not ready in time; with its last words.
        """
        self._wait(self.is_ready, "become ready", within)

    async def listening(self, within: float = STARTS_WITHIN) -> int:
        """As `wait_until_listening`, while the event loop goes on."""
        return await asyncio.to_thread(self.wait_until_listening, within)

    async def ready(self, within: float = STARTS_WITHIN) -> None:
        """As `wait_until_ready`, while the event loop goes on."""
        await asyncio.to_thread(self.wait_until_ready, within)

    async def left(self, within: float = LEAVES_WITHIN) -> int:
        """Wait until it is gone after `ask_to_leave`; its exit code.

        Raises:
            TimeoutExpired: it is not.
        """
        return await asyncio.to_thread(self._there().wait, within)

    def is_ready(self) -> bool:
        """Whether it answers that it may be sent work."""
        if not self.port:
            return False
        try:
            with urllib.request.urlopen(f"{self.http}/readyz", timeout=2) as answer:  # noqa: S310 - our own address
                return bool(answer.status == HTTPStatus.OK)
        except (urllib.error.URLError, OSError):
            return False

    def said(self) -> list[dict[str, Any]]:
        """What it logged in this life, as far as the lines are whole."""
        lines = self._words().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}\n")]

    def log_text(self) -> str:
        """Everything it logged in all its lives."""
        return (
            self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else self._last_words
        )

    def last_words(self, count: int = 2_000) -> str:
        """The end of what it logged in this life, for a failing test's message."""
        return self._words()[-count:] if self._process is not None else ""

    def resident_bytes(self) -> int:
        """Memory it holds."""
        return resident_bytes(self.pid)

    def cpu_seconds(self) -> float:
        """CPU time it used, user and system."""
        return cpu_seconds(self.pid)

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_until_listening()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(self, *_exc: object) -> None:
        await asyncio.to_thread(self.close)

    def _wait(self, condition: Callable[[], bool], what: str, within: float) -> None:
        deadline = time.monotonic() + within
        while not condition():
            if not self.alive or time.monotonic() > deadline:
                ended = "" if self.alive else f" but ended with {self._there().returncode}"
                raise RuntimeError(f"{self.name} did not {what}{ended}:\n{self.last_words()}")
            time.sleep(_LOOKS_EVERY)

    def _words(self) -> str:
        if not self.log.exists():
            return self._last_words[self._began :]
        with self.log.open("rb") as lines:
            lines.seek(self._began)
            return lines.read().decode(errors="replace")

    def _signal(self, number: signal.Signals) -> None:
        self._there().send_signal(number)

    def _there(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process
