"""The line between the supervisor and one worker: each may ask the other, one JSON object a line."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
import structlog

log = structlog.get_logger(__name__)

LONGEST_LINE: Final = 16 << 20
"""Bytes; the metrics of all workers fit."""

Answer = Callable[[str], Awaitable[Any]]


class Link:
    """One end of the line. It ends when the other process does, however that ends."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
        """Take the line over.

        Args:
            reader: what the other says.
            writer: where it hears.
            answer: returns what is told when the other asks; anything that JSON can say.
        """
        self._reader = reader
        self._writer = writer
        self._answer = answer
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._number = 0

    async def ask(self, what: str, within: float) -> Any:
        """Return what the other tells.

        Raises:
            TimeoutError: it told nothing within so many seconds.
            ConnectionError: it is gone.
        """
        self._number += 1
        number = self._number
        told = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(within):
                await self._say({"ask": what, "number": number})
                return await told
        finally:
            del self._asked[number]

    async def run(self) -> None:
        """Hear the other until it is gone."""
        try:
            async with asyncio.TaskGroup() as answering:
                while line := await self._reader.readline():
                    said: dict[str, Any] = orjson.loads(line)
                    if "ask" in said:
                        answering.create_task(self._tell(said), name="link-answer")
                    elif (told := self._asked.get(said["number"])) is not None and not told.done():
                        told.set_result(said["told"])
        except* ConnectionError:
            pass
        finally:
            for told in self._asked.values():
                if not told.done():
                    told.set_exception(ConnectionResetError("the other process is gone"))
            self._writer.close()

    async def _tell(self, said: dict[str, Any]) -> None:
        try:
            told = await self._answer(said["ask"])
        except Exception:
            log.exception("a question cannot be answered", question=said["ask"])
            told = None
        with contextlib.suppress(ConnectionError):
            await self._say({"told": told, "number": said["number"]})

    async def _say(self, what: dict[str, Any]) -> None:
        self._writer.write(orjson.dumps(what) + b"\n")
        await self._writer.drain()
