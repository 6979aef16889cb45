"""Several workers on one port: starts them, watches them, starts a crashed one again, ends after them.

Every worker opens the ports itself, with SO_REUSEPORT, and the kernel shares the connections out; here the
ports are only held, so that nobody else can take them and port 0 means the same for all. The workers are
children; each has a line to the supervisor as its standard input, and leaves when that ends.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, Final

import structlog

from baleen_runtime.lifecycle import StopRequested, leave_when
from ws_gateway.errors import CannotServe
from ws_gateway.fleet.link import LONGEST_LINE, Link
from ws_gateway.fleet.patience import Again, GiveUp, Patience
from ws_gateway.fleet.ports import reserve_all
from ws_gateway.fleet.whole import health_of, metrics_of
from ws_gateway.settings import Settings

log = structlog.get_logger(__name__)

WORKER_COMMAND: Final = (sys.executable, "-m", "ws_gateway.fleet.worker")
STARTS_WITHIN: Final = 60.0
"""Seconds until a new worker answers for the first time."""
HANGS_AFTER: Final = 15.0
"""Seconds without an answer after which a worker is ended."""

_BEAT: Final = 1.0
_BEAT_AT_START: Final = 0.05
_ANSWERS_WITHIN: Final = 2.0
_LEAVES_WITHIN: Final = 5.0
"""Seconds that a worker gets to leave beyond the time to say goodbye."""


@dataclass(eq=False)
class _Worker:
    """One process. `told`: what it told of its health last, None before it did."""

    place: int
    process: Process
    link: Link
    told: dict[str, Any] | None = None

    @property
    def serves(self) -> bool:
        """Whether it accepts connections."""
        return self.told is not None and bool(self.told["listening"])


async def supervise(
    settings: Settings, stop: asyncio.Event, *, on_listening: Callable[[int], None] | None = None
) -> None:
    """Serve clients by as many workers as the settings say, until *stop* is set.

    Raises:
        PortBusy: another program has one of our ports.
        CannotServe: workers do not start, or do not last.
    """
    with ExitStack() as held:
        ports = [held.enter_context(sock).getsockname()[1] for sock in reserve_all(settings)]
        crew = Crew(settings, ports)
        try:
            async with asyncio.TaskGroup() as tasks:
                for place in range(1, settings.workers + 1):
                    tasks.create_task(crew.keep(place), name=f"worker-{place}")
                tasks.create_task(crew.announce(on_listening), name="announce")
                tasks.create_task(leave_when(stop), name="leave")
        except* StopRequested:
            log.info("asked to leave")
        finally:
            await crew.leave()


class Crew:
    """The workers that run now."""

    def __init__(
        self, settings: Settings, ports: list[int], command: tuple[str, ...] = WORKER_COMMAND
    ) -> None:
        """Have nobody yet.

        Args:
            settings: what the operator decided; the workers read the same environment.
            ports: the ports that every worker opens.
            command: starts a worker; its place, our process id and the ports are added.
        """
        self._settings = settings
        self._command = command
        self._ports = ports
        self._workers: dict[int, _Worker] = {}
        self._all_serve = asyncio.Event()
        self._restarts = 0

    async def keep(self, place: int) -> None:
        """Have a worker in this place for ever.

        Raises:
            CannotServe: it does not start, or does not last.
        """
        patience, loop = Patience(), asyncio.get_running_loop()
        while True:
            started = loop.time()
            worker = await self._start(place)
            code = await self._watch(worker)
            del self._workers[place]
            verdict = patience.ended(code, served=worker.serves, lived=loop.time() - started)
            match verdict:
                case GiveUp(reason):
                    raise CannotServe(reason)
                case Again(pause):
                    self._restarts += 1
                    log.warning("a worker ended; another follows", place=place, code=code, after=pause)
                    await asyncio.sleep(pause)

    async def announce(self, on_listening: Callable[[int], None] | None) -> None:
        """Tell once when every worker serves."""
        await self._all_serve.wait()
        log.info("all workers listen", port=self._ports[0], workers=self._settings.workers)
        if on_listening is not None:
            on_listening(self._ports[0])

    async def leave(self) -> None:
        """Ask every worker to leave, and end those that do not in time."""
        workers = list(self._workers.values())
        for worker in workers:
            with suppress(ProcessLookupError):
                worker.process.send_signal(signal.SIGTERM)
        endings = [asyncio.create_task(w.process.wait(), name=f"worker-{w.place}-ends") for w in workers]
        if endings:
            await asyncio.wait(endings, timeout=self._settings.drain_seconds + _LEAVES_WITHIN)
        for worker, ending in zip(workers, endings, strict=True):
            if not ending.done():
                log.error("a worker does not leave", place=worker.place)
                with suppress(ProcessLookupError):
                    worker.process.kill()
            await ending

    async def _start(self, place: int) -> _Worker:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            arguments = [str(number) for number in (place, os.getpid(), *self._ports)]
            process = await asyncio.create_subprocess_exec(*self._command, *arguments, stdin=theirs.fileno())
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=LONGEST_LINE)
        worker = self._workers[place] = _Worker(place, process, Link(reader, writer, self._answer))
        return worker

    async def _watch(self, worker: _Worker) -> int:
        """Return the exit code of a worker once it has ended."""
        async with asyncio.TaskGroup() as tasks:
            line = tasks.create_task(worker.link.run(), name=f"worker-{worker.place}-line")
            beat = tasks.create_task(self._beat(worker), name=f"worker-{worker.place}-beat")
            code = await worker.process.wait()
            line.cancel()
            beat.cancel()
        return code

    async def _beat(self, worker: _Worker) -> None:
        """Ask a worker again and again how it is, and end it if it does not answer."""
        within = STARTS_WITHIN
        while True:
            try:
                worker.told = await worker.link.ask("health", within)
            except ConnectionError:
                return
            except TimeoutError:
                log.error("a worker hangs and is ended", place=worker.place)  # noqa: TRY400 - the loop goes on
                worker.process.kill()
                return
            within = HANGS_AFTER
            serving = [worker for worker in self._workers.values() if worker.serves]
            if len(serving) == self._settings.workers:
                self._all_serve.set()
            await asyncio.sleep(_BEAT if worker.serves else _BEAT_AT_START)

    async def _answer(self, question: str) -> Any:
        """Tell a worker what all of them are together."""
        told = await self._ask_serving(question)
        if question == "metrics":
            texts = {place: text for place, text in told.items() if text is not None}
            return metrics_of(texts, running=len(told), restarts=self._restarts).decode()
        return health_of(told, running=len(told), wanted=self._settings.workers)

    async def _ask_serving(self, question: str) -> dict[int, Any]:
        """Return what each worker tells that accepts connections, None where it does not answer in time."""
        workers = [worker for worker in self._workers.values() if worker.serves]
        asking = [worker.link.ask(question, _ANSWERS_WITHIN) for worker in workers]
        told = await asyncio.gather(*asking, return_exceptions=True)
        return {
            worker.place: None if isinstance(answer, BaseException) else answer
            for worker, answer in zip(workers, told, strict=True)
        }
