"""One worker of several: `python -m ws_gateway.fleet.worker PLACE SUPERVISOR PORT…`; see `supervisor`."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
import time
from contextlib import ExitStack
from functools import partial
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from baleen_runtime import lifecycle
from baleen_runtime.health import Health
from baleen_runtime.serve import listen_on
from ws_gateway.fleet.link import LONGEST_LINE, Link
from ws_gateway.service import work
from ws_gateway.settings import Settings

_ANSWERS_WITHIN: Final = 3.0
_ORPHAN_LEAVES_WITHIN: Final = 5.0
"""Seconds that a worker without a supervisor gets beyond the time to say goodbye."""


class Line:
    """The worker's end of the line to its supervisor; it may ask what all workers are together."""

    def __init__(self) -> None:
        self._link: Link | None = None
        self._listening = False

    def note_listening(self, _port: int) -> None:
        """Note that connections are accepted."""
        self._listening = True

    async def run(self, health: Health, registry: CollectorRegistry, stop: asyncio.Event) -> None:
        """Answer the supervisor; without one, ask the service to leave."""

        async def answer(question: str) -> Any:
            if question == "metrics":
                return generate_latest(registry).decode()
            return {"listening": self._listening, "ready": health.ready, "parts": health.explain()}

        sock = socket.socket(fileno=os.dup(sys.stdin.fileno()))
        reader, writer = await asyncio.open_unix_connection(sock=sock, limit=LONGEST_LINE)
        self._link = Link(reader, writer, answer)
        await self._link.run()
        stop.set()

    async def metrics(self) -> bytes | None:
        """Return the metrics of all workers, None where the supervisor does not tell."""
        told = await self._ask("metrics")
        return None if told is None else str(told).encode()

    async def health(self) -> tuple[bool, dict[str, str]] | None:
        """Return whether all may be sent work, and why not; None where the supervisor does not tell."""
        told = await self._ask("health")
        return None if told is None else (bool(told[0]), dict(told[1]))

    async def _ask(self, question: str) -> Any:
        if self._link is None:
            return None
        try:
            return await self._link.ask(question, _ANSWERS_WITHIN)
        except (TimeoutError, ConnectionError):
            return None


def main() -> int:
    """Run one worker; return its exit code."""
    place, supervisor, *ports = (int(argument) for argument in sys.argv[1:])
    return lifecycle.main(Settings, partial(_run, place, supervisor, ports))


async def _run(
    place: int, supervisor: int, ports: list[int], settings: Settings, stop: asyncio.Event
) -> None:
    structlog.contextvars.bind_contextvars(worker=place)
    never_outlive(supervisor, settings.drain_seconds + _ORPHAN_LEAVES_WITHIN)
    with ExitStack() as on_failure:
        sockets = [on_failure.enter_context(listen_on(settings.host, port, shared=True)) for port in ports]
        on_failure.pop_all()
    await work(settings, stop, sockets=sockets, line=Line())


def never_outlive(supervisor: int, within: float) -> None:
    """End this process, though it hang, *within* seconds after its supervisor: no orphan keeps the port."""

    def watch() -> None:
        while os.getppid() == supervisor:
            time.sleep(1)
        time.sleep(within)
        os._exit(lifecycle.EXIT_CRASH)

    threading.Thread(target=watch, name="supervisor-watch", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
