"""Reads bodies from a stream: those of given numbers, or from a place on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from baleen_bus import Bus, BusError, Delivered
from baleen_bus.reading import direct_get

_APART: Final = 16
"""Numbers no further apart than this are read at one go, and what lies between them is let go."""
_BATCH: Final = 500
_BATCH_BYTES: Final = 4 << 20
_AT_ONCE: Final = 20


async def read_seqs(bus: Bus, stream: str, pattern: str, seqs: Sequence[int]) -> list[Delivered]:
    """The messages of these numbers, in their order; what the stream no longer has is left out.

    Args:
        bus: where to read.
        stream: its stream.
        pattern: the subjects that are looked at.
        seqs: the numbers, rising.

    Raises:
        Unreachable, ApiRefused: the stream cannot be read now.
    """
    found: list[Delivered] = []
    parts = list(runs(seqs))
    for place in range(0, len(parts), _AT_ONCE):
        try:
            async with asyncio.TaskGroup() as reading:
                tasks = [
                    reading.create_task(_read_run(bus, stream, pattern, run), name="read-alerts")
                    for run in parts[place : place + _AT_ONCE]
                ]
        except* BusError as failures:
            raise _first(failures) from None
        found += [item for task in tasks for item in task.result()]
    return found


async def read_from(
    bus: Bus, stream: str, pattern: str, start: int | datetime
) -> tuple[list[Delivered], bool]:
    """Some messages from a number or a moment on, oldest first, and whether the stream has more of them.

    Raises:
        Unreachable, ApiRefused: the stream cannot be read now.
    """
    found: list[Delivered] = []
    place = {"seq": max(1, start)} if isinstance(start, int) else {"start_time": start.isoformat()}
    request: dict[str, Any] = {
        **place,
        "next_by_subj": pattern,
        "batch": _BATCH,
        "max_bytes": _BATCH_BYTES,
    }
    end = await direct_get(bus, stream, request, found.append)
    return found, bool(found) and end.pending > 0


def runs(seqs: Sequence[int]) -> Iterator[list[int]]:
    """Parts of rising numbers that are worth one reading each."""
    run: list[int] = []
    for seq in seqs:
        if run and (seq - run[-1] > _APART or seq - run[0] >= _BATCH):
            yield run
            run = []
        run.append(seq)
    if run:
        yield run


def _first(failures: BaseExceptionGroup[BusError]) -> BusError:
    """One of several tasks' failures, for callers that know nothing of tasks."""
    failure = failures.exceptions[0]
    return _first(failure) if isinstance(failure, BaseExceptionGroup) else failure


async def _read_run(bus: Bus, stream: str, pattern: str, run: Sequence[int]) -> list[Delivered]:
    wanted, found, after = frozenset(run), [], run[0]
    while after <= run[-1]:
        batch: list[Delivered] = []
        request: dict[str, Any] = {
            "seq": after,
            "next_by_subj": pattern,
            "batch": run[-1] - after + 1,
            "max_bytes": _BATCH_BYTES,
        }
        end = await direct_get(bus, stream, request, batch.append)
        found += [item for item in batch if item.seq in wanted]
        if not batch or not end.pending:
            break
        after = batch[-1].seq + 1
    return found
