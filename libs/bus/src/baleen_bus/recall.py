"""After a long outage, asks a stream what it has of the unacked messages: its dedupe may have forgotten."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from baleen_bus.acks import Stored
from baleen_bus.connection import Bus
from baleen_bus.errors import ApiRefused, BusError, BusStopped
from baleen_bus.lane import Entry
from baleen_bus.outbox import Outbox
from baleen_bus.reading import Delivered, direct_get, fetch_after

log = logging.getLogger("baleen_bus")

CLOCKS_APART: Final = 60.0
"""Seconds by which the server's clock and ours may differ."""
_ID: Final = b"Nats-Msg-Id: "


class Recall:
    """Settles, by ``on_found``, what a doubtful stream of the outbox turns out to have, and lets the rest go.

    A stream that cannot be read now stays aside and is asked again; one that this user may not read is
    trusted to remember.
    """

    def __init__(self, bus: Bus, outbox: Outbox, on_found: Callable[[int, Stored], None]) -> None:
        self._bus = bus
        self._outbox = outbox
        self._on_found = on_found
        self._asked = asyncio.Event()
        self.last_acked: dict[str, int] = {}
        """The last number that each stream gave to a message of ours; what is unacked came after it."""

    def look(self, now: float) -> None:
        """Begins to ask if a stream is in doubt."""
        if self._outbox.doubtful(now):
            self._asked.set()

    async def run(self) -> None:
        """Asks for ever."""
        time = asyncio.get_running_loop().time
        while True:
            await self._asked.wait()
            self._asked.clear()
            for stream, entries in self._outbox.doubtful(time()).items():
                await self._ask(stream, entries, time)

    async def _ask(self, stream: str, entries: Sequence[Entry], time: Callable[[], float]) -> None:
        try:
            found = await self._kept(stream, entries, time())
        except (BusStopped, ApiRefused) as error:
            log.warning("cannot tell what %s has of %d messages: %s", stream, len(entries), error)
            found = {}
        except BusError:
            self._outbox.postpone(stream, time())
            return
        for number, seq in found.items():
            self._on_found(number, Stored(stream, seq, duplicate=False))
        self._outbox.assured(stream, time())

    async def _kept(self, stream: str, entries: Sequence[Entry], now: float) -> dict[int, int]:
        numbers = {_id_of(entry.command): entry.number for entry in entries}
        found: dict[int, int] = {}

        def on_item(item: Delivered) -> None:
            number = numbers.get(item.headers.get("Nats-Msg-Id", ""))
            if number is not None:
                found[number] = item.seq

        after = self.last_acked.get(stream)
        if after is None:
            age = now - min(entry.first_sent_at for entry in entries)
            after = await self._end_before(stream, age + CLOCKS_APART)
        await fetch_after(self._bus, stream, ">", after, on_item)
        return found

    async def _end_before(self, stream: str, age: float) -> int:
        """The number before the first message that is younger than so many seconds."""
        since = (datetime.now(UTC) - timedelta(seconds=age)).isoformat()
        found: list[Delivered] = []
        await direct_get(
            self._bus, stream, {"start_time": since, "next_by_subj": ">", "batch": 1}, found.append
        )
        return found[0].seq - 1 if found else 0


def _id_of(command: bytes) -> str:
    start = command.index(_ID) + len(_ID)
    return command[start : command.index(b"\r\n", start)].decode()
