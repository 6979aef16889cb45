"""The readers of all streams that the watches need, for as long as this replica watches."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from alert_bridge.rules.holder import RulesHolder
from alert_bridge.watch.around import Around
from alert_bridge.watch.ground import ground
from alert_bridge.watch.insisting import insist
from alert_bridge.watch.position import PositionBook, Superseded
from alert_bridge.watch.reader import Reader
from baleen_bus import Bucket, BusError
from baleen_bus.buckets import DELIVERY
from baleen_bus.connection import end_task

LAST_WORDS: Final = 2.0
"""Seconds for what is said on leaving to be stored; what is not is said by whoever watches next."""

log = structlog.get_logger(__name__)


class Round:
    """Reads what the watches in force look for, whatever the rules become."""

    def __init__(self, holder: RulesHolder, around: Around) -> None:
        self._holder, self._around = holder, around
        self._bucket = Bucket(around.bus, DELIVERY)
        self._readers: dict[str, tuple[Reader, asyncio.Task[None]]] = {}
        self._dropping: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Read until cancelled.

        Raises:
            ExceptionGroup: of what ended a reader.
        """
        forget = self._holder.on_change(self._changed.set)
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    self._changed.clear()
                    self._arrange(tasks)
                    await self._changed.wait()
        finally:
            forget()

    async def finish(self) -> None:
        """Stop hearing, say the rest, write down how far it got; `run` is to be cancelled afterwards."""
        readers = [reader for reader, _ in self._readers.values()]
        for _, task in self._readers.values():
            await end_task(task)
        for reader in readers:
            reader.say_the_rest()
        await self._around.publisher.drain(within=LAST_WORDS)
        for reader in readers:
            try:
                await reader.write_down()
            except (BusError, Superseded) as error:
                log.info("a position is not written", stream=reader.stream, problem=str(error))

    async def drop_all(self) -> None:
        """Forget all streams: nobody watches any more."""
        while self._readers:
            stream, (_, task) = self._readers.popitem()
            await self._drop(stream, task)
        if self._dropping:
            await asyncio.wait(self._dropping.values())

    @property
    def open(self) -> int:
        """Messages whose alerts are not all stored."""
        return sum(reader.open for reader, _ in self._readers.values())

    def _arrange(self, tasks: asyncio.TaskGroup) -> None:
        watches = self._holder.rules.watches
        wanted = ground(watches)
        for stream in [stream for stream in self._readers if stream not in wanted]:
            _, task = self._readers.pop(stream)
            self._dropping[stream] = tasks.create_task(self._drop(stream, task), name=f"watch-drop-{stream}")
        for stream in wanted:
            here = tuple(watch for watch in watches if stream in ground([watch]))
            if stream in self._readers:
                self._readers[stream][0].want(here)
                continue
            reader = Reader(stream, self._around, PositionBook(self._bucket, stream))
            reader.want(here)
            reading = self._read(reader, self._dropping.pop(stream, None))
            self._readers[stream] = (reader, tasks.create_task(reading, name=f"watch-{stream}"))

    async def _read(self, reader: Reader, after: asyncio.Task[None] | None) -> None:
        if after is not None:
            await asyncio.wait((after,))
        await reader.run()

    async def _drop(self, stream: str, reading: asyncio.Task[None]) -> None:
        """Forget a stream that nobody watches: a watch to come is told nothing of the time between."""
        await end_task(reading)
        await insist(PositionBook(self._bucket, stream).drop, stream)
