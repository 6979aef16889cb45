"""When to leave: a signal, or whoever started us wants to and no signal says so.

`make` passes SIGTERM on to its recipe, but not a SIGINT that was sent to it alone: it then waits for us.
When it is killed it passes on nothing at all. So we have to look.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from baleen.errors import CannotRun
from baleen.terminal import Terminal

LOOK_EVERY = 0.3
"""Seconds between two looks."""


async def until_asked_to_leave(
    work: Coroutine[Any, Any, int], terminal: Terminal, *, leave_with: int | None = None, left: int = 0
) -> int:
    """Run *work* to its end, or until SIGINT, SIGTERM or the end of the process *leave_with* ends it early.

    Returns:
        What *work* returned; *left* when it was ended early.
    """
    loop = asyncio.get_running_loop()
    asked: asyncio.Future[str] = loop.create_future()

    def leave(reason: str) -> None:
        if not asked.done():
            asked.set_result(reason)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, leave, signal.Signals(number).name)
    working = asyncio.create_task(work, name="work")
    watching = asyncio.create_task(_watch_parent(leave_with, leave), name="parent")
    either: set[asyncio.Future[Any]] = {working, asked}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    watching.cancel()
    if asked.done() and not working.done():
        terminal.progress(f"leaving ({asked.result()})")
        working.cancel()
        await asyncio.wait({working})
        return left if working.cancelled() else working.result()
    return _first_problem(working)


async def _watch_parent(pid: int | None, leave: Callable[[str], None]) -> None:
    if pid is not None:
        leave(await _until_parent_leaves(pid))


def _first_problem(working: asyncio.Task[int]) -> int:
    """Return the result, or raise the one problem that a group of waiting tasks reported together."""
    try:
        return working.result()
    except BaseExceptionGroup as group:
        known = group.subgroup(CannotRun)
        if known is None:
            raise
        error: BaseException = known
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None


async def _until_parent_leaves(pid: int) -> str:
    """Wait until the process *pid* is gone or was interrupted; return which."""
    caught_before = _catches_interrupts(pid)
    while True:
        await asyncio.sleep(LOOK_EVERY)
        if os.getppid() != pid:
            return "the parent process ended"
        if caught_before and _catches_interrupts(pid) is False:
            return "the parent process was interrupted"


def _catches_interrupts(pid: int) -> bool | None:
    """Tell whether *pid* handles SIGINT: make drops its handler when it is interrupted. None: unknown."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # gone, or a system without /proc
        return None
    caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "0")
    return bool(int(caught, 16) & (1 << (signal.SIGINT - 1)))
