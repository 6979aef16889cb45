"""Replicas of uw-ingest as operators run them: processes that can be killed, frozen, asked to leave.

Only processes started here are signalled, by their pid. Each replica's log holds all its lives.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from baleen_bus.testing import NatsServer
from uw_simulator.testing import TOKEN, Simulator

STARTED_WITHIN = 40.0  # seconds; several start at once, on few cores
LEFT_WITHIN = 30.0
OURS = ("UW_", "BALEEN_", "UNUSUAL")


async def until(condition: Callable[[], Any], what: str, within: float, every: float = 0.05) -> Any:
    """Wait for a condition, which may be a coroutine function; fail with words when it does not come."""
    deadline = asyncio.get_running_loop().time() + within
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        assert asyncio.get_running_loop().time() < deadline, f"not within {within:.0f} s: {what}"
        await asyncio.sleep(every)


class Replica:
    """One replica through all its lives."""

    def __init__(self, name: str, environ: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._environ = dict(environ)
        self._began = 0  # where in the log the present life begins
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether its process exists."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the present process."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    def start(self) -> None:
        """Begin a life; a second one while the first lasts is a defect of the drill."""
        assert not self.alive, f"{self.name} is alive"
        self._began = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "uw_ingest"], env=self._environ, stdout=out, stderr=out
            )

    def kill(self) -> None:
        """End it where it stands."""
        if self.alive:
            self._signal(signal.SIGKILL)
            assert self._process is not None
            self._process.wait(10)

    def ask_to_leave(self) -> None:
        """Send SIGTERM."""
        self._signal(signal.SIGTERM)

    async def left(self, within: float = LEFT_WITHIN) -> int:
        """Wait until it is gone; its exit code."""
        await until(lambda: not self.alive, f"{self.name} leaves", within)
        assert self._process is not None
        return int(self._process.returncode)

    def freeze(self) -> None:
        """Let it stand still, with its sockets open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        if self.alive:
            self._signal(signal.SIGCONT)

    def said(self) -> list[dict[str, Any]]:
        """What it logged in this life."""
        with self.log.open("rb") as lines:
            lines.seek(self._began)
            return [_as_object(line) for line in lines]

    @property
    def port(self) -> int | None:
        """Of its HTTP, once it listens."""
        return next((int(line["port"]) for line in self.said() if line.get("event") == "listening"), None)

    async def listening(self) -> int:
        """Wait for its port."""

        def port() -> int | None:
            assert self.alive, f"{self.name} ended while it started:\n{self.tail()}"
            return self.port

        return int(await until(port, f"{self.name} listens", STARTED_WITHIN))

    async def ask(self, path: str) -> dict[str, Any]:
        """Answer of its HTTP as JSON."""
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{await self.listening()}") as http:
            answer: dict[str, Any] = (await http.get(path, timeout=5)).raise_for_status().json()
            return answer

    def resident_bytes(self) -> int:
        """Memory it holds."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self) -> float:
        """CPU time it used, user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def tail(self, lines: int = 15) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


class Fleet:
    """Replicas that share one bus and one upstream."""

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self.replicas = {replica.name: replica for replica in replicas}

    def __getitem__(self, name: str) -> Replica:
        return self.replicas[name]

    async def start(self) -> None:
        """Start whoever is not alive and wait until all listen."""
        for replica in self.replicas.values():
            replica.thaw()
            if not replica.alive:
                replica.start()
        await asyncio.gather(*(replica.listening() for replica in self.replicas.values()))

    def tails(self) -> str:
        """The ends of all logs, for a failing test's message."""
        return "\n".join(f"--- {name}\n{replica.tail()}" for name, replica in self.replicas.items())

    def end(self) -> None:
        """End everybody, politely where possible."""
        alive = [replica for replica in self.replicas.values() if replica.alive]
        for replica in alive:
            replica.thaw()
            replica.ask_to_leave()
        for replica in alive:
            assert replica._process is not None
            try:
                replica._process.wait(LEFT_WITHIN)
            except subprocess.TimeoutExpired:
                replica.kill()


def environment(nats: NatsServer, simulator: Simulator, name: str, **settings: Any) -> dict[str, str]:
    """The variables of a replica; *settings* are fields of its settings."""
    given = {
        "port": 0,
        "upstream_url": simulator.http_url,
        "token": TOKEN,
        "source": "uw-simulator",
        "calendar": "always_open",
        "slots": 3,
        "replica": name,
        **settings,
    }
    clean = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
    ours = {f"UW_INGEST_{key.upper()}": str(value) for key, value in given.items() if value is not None}
    return {**clean, **ours, "BALEEN_NATS_URL": nats.url, "BALEEN_LOG_FORMAT": "json"}


@asynccontextmanager
async def fleet(
    nats: NatsServer, simulator: Simulator, names: Sequence[str], folder: Path, **settings: Any
) -> AsyncIterator[Fleet]:
    """Run replicas with these names; all are gone afterwards, and their logs stay in *folder*."""
    ours = Fleet([Replica(name, environment(nats, simulator, name, **settings), folder) for name in names])
    try:
        await ours.start()
        yield ours
    finally:
        await asyncio.to_thread(ours.end)


def _as_object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
