"""Processes that live and die together: started with marked output, watched, and ended in two waves."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx

from baleen.errors import CannotRun, ChildEnded, NotReady
from baleen.plan import Child

SERVICES_WITHIN = 3.3
"""Seconds that services get to drain after SIGTERM, while the bus is still there to take what they hold."""
SERVER_WITHIN = 1.0
"""Seconds that the bus gets after them."""

_PR_SET_PDEATHSIG = 1


class Children:
    """The running processes of one plan.

    Args:
        on_line: called with a child's name and one line of its output.
    """

    def __init__(self, on_line: Callable[[str, str], None]) -> None:
        self._on_line = on_line
        self._running: list[tuple[Child, Process]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self.ended: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()

    async def start(self, child: Child) -> None:
        """Start *child*; its output goes to `on_line`, its unexpected end to `ended`."""
        program = Path(sys.executable).with_name(child.argv[0])
        if not program.exists():
            raise CannotRun(f"{program} is missing: run `make .venv` to install it.")
        process = await asyncio.create_subprocess_exec(
            program,
            *child.argv[1:],
            env=dict(child.environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,  # Ctrl-C reaches us alone, so that the waves keep their order
            preexec_fn=partial(_die_with, os.getpid()) if sys.platform == "linux" else None,
        )
        self._running.append((child, process))
        task = asyncio.create_task(self._watch(child, process), name=f"watch {child.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def until_ready(self, child: Child, *, within: float, on_wait: Callable[[str, str], None]) -> None:
        """Wait until *child* says that it may be sent work.

        Args:
            child: one that was started.
            within: seconds to wait.
            on_wait: called with the child's name and what it lacks, each time that changes.

        Raises:
            ChildEnded: some child ended meanwhile.
            NotReady: it was not ready in time; the text says what it lacks.
        """
        lacks = "does not answer yet"
        async with httpx.AsyncClient(trust_env=False, timeout=2) as http:
            deadline = asyncio.get_running_loop().time() + within
            while asyncio.get_running_loop().time() < deadline:
                now = await _what_lacks(http, child.ready_url)
                if not now:
                    return
                if now != lacks:
                    lacks = now
                    on_wait(child.name, lacks)
                await self.alive_for(0.1)
        raise NotReady(child.name, within, lacks)

    async def alive_for(self, seconds: float) -> None:
        """Let *seconds* pass.

        Raises:
            ChildEnded: some child ended by itself.
        """
        await asyncio.wait({self.ended}, timeout=seconds)
        if self.ended.done():
            raise ChildEnded(*self.ended.result())

    async def stop(self) -> list[str]:
        """End everything: services first, the bus last. Return the names of those that had to be killed."""
        self._stopping = True
        server, services = self._running[:1], self._running[1:]
        stubborn = await _end(services, SERVICES_WITHIN) + await _end(server, SERVER_WITHIN)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=0.5)
        for task in self._tasks:
            task.cancel()
        return stubborn

    async def _watch(self, child: Child, process: Process) -> None:
        assert process.stdout is not None  # noqa: S101 - it was started with a pipe
        rest = b""
        while chunk := await process.stdout.read(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._on_line(child.name, line.decode(errors="replace").rstrip())
        if rest:
            self._on_line(child.name, rest.decode(errors="replace"))
        code = await process.wait()
        if not self._stopping and not self.ended.done():
            self.ended.set_result((child.name, code))


async def _what_lacks(http: httpx.AsyncClient, url: str) -> str:
    """Return what keeps a process from being ready, in its own words; empty when it is."""
    try:
        answer = await http.get(url)
    except httpx.HTTPError:
        return "does not answer yet"
    if answer.status_code == httpx.codes.OK:
        return ""
    with contextlib.suppress(ValueError, AttributeError):
        parts = answer.json().get("parts", {})
        return "; ".join(f"{part}: {why}" for part, why in parts.items() if why != "ok") or "not ready"
    return f"answers {answer.status_code}"


async def _end(group: list[tuple[Child, Process]], within: float) -> list[str]:
    """Ask every process of *group* to leave, then kill those that stay; return their names."""
    left = [(child, process) for child, process in group if process.returncode is None]
    for _, process in left:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
    waits = {asyncio.ensure_future(process.wait()) for _, process in left}
    if waits:
        await asyncio.wait(waits, timeout=within)
    stubborn = [(child, process) for child, process in left if process.returncode is None]
    for _, process in stubborn:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    if waits:
        await asyncio.wait(waits, timeout=1)
    return [child.name for child, _ in stubborn]


def _die_with(parent: int) -> None:
    """Have the kernel end this child when we are killed, so that `kill -9` leaves nothing behind (Linux)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the kernel was told
        os._exit(1)
