"""`baleen watch`: topics as a live table, or as lines where nobody can see a table."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson
from rich.live import Live
from websockets.exceptions import ConnectionClosed

from baleen.board import Board
from baleen.conversation import read_frame, subscribed, topics_of
from baleen.errors import CannotRun
from baleen.leaving import until_asked_to_leave
from baleen.terminal import Terminal

_COME_BACK = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each attempt to come back; the last one is repeated."""


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What the command line said; *count* events are enough, 0 means never."""

    url: str
    topics: Sequence[str]
    snapshot: bool = True
    rows: int = 25
    count: int = 0
    token: str | None = field(default=None, repr=False)


def watch(options: WatchOptions, terminal: Terminal) -> int:
    """Show topics until Ctrl-C or *count* events; return the exit code."""
    try:
        topics = topics_of(options.topics)
        work = _as_table if terminal.console.is_terminal else _as_lines
        return asyncio.run(until_asked_to_leave(work(options, topics, terminal), terminal))
    except CannotRun as problem:
        terminal.problem(str(problem))
        return 1


async def _as_lines(options: WatchOptions, topics: list[str], terminal: Terminal) -> int:
    """Print one JSON line per event: for pipes."""
    left = options.count
    talking = subscribed(options.url, topics, snapshot=options.snapshot, token=options.token)
    async with talking as (connection, _):
        async for text in connection:
            frame = read_frame(text)
            if frame["op"] != "event":
                continue
            terminal.plain(orjson.dumps(frame).decode())
            left -= 1
            if left == 0:
                return 0
    raise CannotRun("The gateway ended the conversation.")


async def _as_table(options: WatchOptions, topics: list[str], terminal: Terminal) -> int:
    board = Board(rows=options.rows, started=time.monotonic())
    attempt = 0
    with Live(console=terminal.console, auto_refresh=False, screen=False) as live:
        painting = asyncio.create_task(_paint(board, live), name="paint")
        try:
            while True:
                with contextlib.suppress(ConnectionClosed):
                    try:
                        async with subscribed(
                            options.url, topics, snapshot=options.snapshot, token=options.token
                        ) as talk:
                            attempt = 0
                            board.state = "SIMULATED" if talk.simulated else "LIVE"
                            async for text in talk.connection:
                                board.take(read_frame(text))
                                if options.count and board.total >= options.count:
                                    return 0
                    except CannotRun:
                        if board.total == 0:
                            raise
                board.state = "the gateway is away, coming back"
                await asyncio.sleep(_COME_BACK[min(attempt, len(_COME_BACK) - 1)])
                attempt += 1
        finally:
            painting.cancel()
            live.update(board.table(time.monotonic()), refresh=True)


async def _paint(board: Board, live: Live) -> None:
    while True:
        live.update(board.table(time.monotonic()), refresh=True)
        await asyncio.sleep(0.25)
