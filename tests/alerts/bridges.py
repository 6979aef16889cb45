"""Replicas of alert-bridge as operators run them: processes that can be killed and asked to leave.

Only processes started here are signalled, by their pid. Each replica's log holds all its lives.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from tests.chaos.fleet import until

from alert_bridge.receive.sources import add_source

READY_WITHIN = 40.0  # seconds; several start at once, on few cores
LEFT_WITHIN = 20.0
OURS = ("ALERT_", "BALEEN_")


def write_sources(path: Path, *names: str) -> dict[str, str]:
    """Write a file of sources that say type and symbol beside a Discord message; their webhooks' paths."""
    sources = {name: add_source(path, name) for name in names}
    said = json.loads(path.read_text())
    for one in said:
        one["fields"] = {"alert_type": "alert_type", "symbol": "symbol"}
    path.write_text(json.dumps(said))
    return {name: source.webhook_url("") for name, source in sources.items()}


class Bridge:
    """One replica through all its lives."""

    def __init__(self, name: str, nats_url: str, folder: Path, variables: Mapping[str, str]) -> None:
        """Take note of what to start.

        Args:
            name: how it is called in the test.
            nats_url: its bus.
            folder: where its log is kept.
            variables: environment variables besides the usual ones.
        """
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
        ours = {"BALEEN_NATS_URL": nats_url, "BALEEN_LOG_FORMAT": "json", "ALERT_BRIDGE_PORT": "0"}
        self.name = name
        self.log = folder / f"{name}.log"
        self.port = 0
        self._environ = {**inherited, **ours, **variables}
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

    @property
    def http(self) -> str:
        """Where it listens in this life, without a path."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin a life; a second one while the first lasts is a defect of the test."""
        assert not self.alive, f"{self.name} is alive"
        self.port = 0
        self._began = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "alert_bridge"], env=self._environ, stdout=out, stderr=out
            )

    def kill(self) -> None:
        """End it where it stands."""
        if self.alive:
            assert self._process is not None
            self._process.kill()
            self._process.wait(10)
        self.port = 0

    def leave(self) -> int:
        """Ask it to leave; its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(LEFT_WITHIN)

    def learn_port(self) -> int:
        """Where it listens in this life; 0 while it does not."""
        if not self.port:
            for line in self.last_words(10**6).splitlines():
                if '"listening"' in line and line.endswith("}"):
                    self.port = int(json.loads(line)["port"])
        return self.port

    async def ready(self, within: float = READY_WITHIN) -> None:
        """Wait until it may be sent work."""
        await until(self._is_ready, f"{self.name} is ready; it said: {self.last_words()}", within)

    def last_words(self, count: int = 2_000) -> str:
        """The end of what it logged in this life."""
        return self.log.read_bytes()[self._began :].decode(errors="replace")[-count:] if self._process else ""

    async def _is_ready(self) -> bool:
        assert self.alive, f"{self.name} ended: {self.last_words()}"
        if not self.learn_port():
            return False
        try:
            async with httpx.AsyncClient(timeout=5) as client:
                return (await client.get(f"{self.http}/readyz")).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def ending(*bridges: Bridge) -> Iterator[None]:
    """End every bridge that is left, however the block ends."""
    try:
        yield
    finally:
        for bridge in bridges:
            bridge.kill()


async def account_of(bridge: Bridge) -> dict[str, Any]:
    """What it answers at `/account`, by destination."""
    async with httpx.AsyncClient(timeout=30) as client:
        answer = (await client.get(f"{bridge.http}/account")).raise_for_status().json()
    return {one["name"]: one for one in answer["destinations"]}


def rules_file(
    folder: Path,
    destinations: Mapping[str, Mapping[str, Any]],
    routes: Sequence[Mapping[str, Any]] | None = None,
) -> Path:
    """A rules file; without *routes* all destinations are told everything. JSON is YAML as well."""
    everything = [{"name": "everything", "to": sorted(destinations)}]
    path = folder / "rules.yaml"
    path.write_text(json.dumps({"destinations": destinations, "routes": routes or everything}, indent=1))
    return path


def percentile(values: list[float], share: float) -> float:
    """The value below which so great a *share* of *values* lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def all_ready(*bridges: Bridge) -> None:
    """Start all, and wait until each may be sent work."""
    for bridge in bridges:
        bridge.start()
    await asyncio.gather(*(bridge.ready() for bridge in bridges))
