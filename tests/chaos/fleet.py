"""Replicas of uw-ingest as operators run them: processes that can be killed, frozen, asked to leave.

Only processes started here are signalled, by their pid. Each replica's log holds all its lives.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx

from baleen_bus.testing import NatsServer
from baleen_runtime.testing import ServiceProcess, variables_for
from uw_simulator.testing import Simulator


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


class Replica(ServiceProcess):
    """One replica of uw-ingest through all its lives."""

    def __init__(self, name: str, environ: Mapping[str, str], folder: Path) -> None:
        super().__init__("uw_ingest", environ, folder / f"{name}.log", name=name)

    async def ask(self, path: str) -> dict[str, Any]:
        """Answer of its HTTP as JSON."""
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{await self.listening()}") as http:
            answer: dict[str, Any] = (await http.get(path, timeout=5)).raise_for_status().json()
            return answer


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
        return "\n".join(f"--- {name}\n{replica.last_words()}" for name, replica in self.replicas.items())

    def end(self) -> None:
        """End everybody, politely where possible."""
        alive = [replica for replica in self.replicas.values() if replica.alive]
        for replica in alive:
            replica.thaw()
            replica.ask_to_leave()
        for replica in alive:
            replica.gone()


def environment(nats: NatsServer, simulator: Simulator, name: str, **settings: Any) -> dict[str, str]:
    """The variables of a replica; *settings* are fields of its settings."""
    given = variables_for("UW_INGEST_", **{"slots": 3, "replica": name, **settings})
    return {**simulator.variables, **given, "BALEEN_NATS_URL": nats.url}


@asynccontextmanager
async def fleet(
    nats: NatsServer,
    simulator: Simulator,
    names: Sequence[str],
    folder: Path,
    also: Mapping[str, str] = MappingProxyType({}),
    **settings: Any,
) -> AsyncIterator[Fleet]:
    """Run replicas with these names; all are gone afterwards, and their logs stay in *folder*.

    Variables that are no settings of uw-ingest stand in *also*.
    """
    ours = Fleet(
        [Replica(name, {**environment(nats, simulator, name, **settings), **also}, folder) for name in names]
    )
    try:
        await ours.start()
        yield ours
    finally:
        await asyncio.to_thread(ours.end)
