"""Notices that whoever started us wants to leave, where no signal says so.

`make` passes SIGTERM on to its recipe, but not a SIGINT that was sent to it alone: it then waits for us.
When it is killed it passes on nothing at all. So we have to look.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

LOOK_EVERY = 0.3
"""Seconds between two looks."""


async def until_parent_leaves(pid: int) -> str:
    """Wait until the process *pid* is gone or was interrupted; return which."""
    caught_before = catches_interrupts(pid)
    while True:
        await asyncio.sleep(LOOK_EVERY)
        if os.getppid() != pid:
            return "the parent process ended"
        if caught_before and catches_interrupts(pid) is False:
            return "the parent process was interrupted"


def catches_interrupts(pid: int) -> bool | None:
    """Tell whether *pid* handles SIGINT: make drops its handler when it is interrupted. None: unknown."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # gone, or a system without /proc
        return None
    caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "0")
    return bool(int(caught, 16) & (1 << (signal.SIGINT - 1)))
