"""Says what somebody wants to hear from upstream, as long as they want it; and reads what everybody wants."""

import asyncio
import contextlib
import itertools
import logging
import os
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final

from baleen_bus.buckets import DEMAND, DEMAND_TTL
from baleen_bus.connection import Bus, end_task, open_bus
from baleen_bus.errors import BusError, WishReason, WishRefused
from baleen_bus.kv import Bucket
from baleen_bus.kv_entry import Entry
from baleen_bus.speaker import DEFAULT_URL
from baleen_bus.wish import LONGEST_WISHER, Wish, check_topic, check_wisher, wish_of

__all__ = ["Wish", "WishRefused", "Wishing", "demand", "read_wish", "read_wishes"]

log = logging.getLogger("baleen_bus")

CONNECT_WITHIN: Final = 10.0
RETRY: Final = 2.0
"""Seconds before a wish that did not get through is written again."""

MOST: Final = 5_000
"""Wishes that are heard of the gateways, and as many of all others; the newest ones where there are more."""

_SLICE: Final = 200  # wishes that are read at a stretch
_FIRST: Final = "gateway."

_numbers = itertools.count(1)


class Wishing:
    """The wishes of one wisher, renewed while ``run`` runs.

    ``lasting``: seconds for which a wish still counts after its wisher has died; half the time a wish may
    reach at most, so that clocks need not agree to the minute.

    Raises:
        ValueError: ``lasting`` is out of these bounds.
        WishRefused: the kind or the wisher's name is too long.
    """

    def __init__(self, bus: Bus, *, kind: str, wisher: str, lasting: float = 60.0) -> None:
        if not 1.0 <= lasting <= DEMAND_TTL / 2:
            raise ValueError(f"a wish lasts 1 to {DEMAND_TTL / 2:g} seconds, not {lasting:g}")
        check_wisher(kind, wisher)
        self._bucket = Bucket(bus, DEMAND)
        self._kind, self._wisher = kind, wisher
        self._lasting = lasting
        self._wanted: frozenset[str] = frozenset()
        self._due: dict[str, float] = {}
        """When each wish that stands on the bus is to be written again, in seconds of the loop's clock."""
        self._changed = asyncio.Event()

    def want(self, *topics: str) -> None:
        """From now on exactly these.

        Raises:
            WishRefused: one is no subject or pattern; nothing changes.
        """
        for topic in topics:
            check_topic(topic)
        self._wanted = frozenset(topics)
        self._changed.set()

    async def tell(self) -> None:
        """Brings the bus up to date: writes what is due, deletes what is wanted no more.

        Raises:
            BusError: the bus cannot be told now, or this user may not; the rest is still to be told.
        """
        now = asyncio.get_running_loop().time()
        for topic in [topic for topic in self._due if topic not in self._wanted]:
            await self._bucket.delete(self._wish(topic).key)
            self._due.pop(topic, None)
        for topic in sorted(self._wanted):
            if self._due.get(topic, now) <= now:
                wish = self._wish(topic)
                self._due[topic] = now  # it may be stored though no answer comes: then it is to be deleted
                await self._bucket.put(wish.key, wish.to_json())
                self._due[topic] = now + self._lasting / 3

    async def run(self) -> None:
        """Keeps the bus up to date for ever; what does not get through is tried again."""
        complaint = ""
        while True:
            self._changed.clear()
            pause = RETRY
            try:
                await self.tell()
                due = min(self._due.values(), default=float("inf"))
                pause = max(0.0, min(due - asyncio.get_running_loop().time(), self._lasting))
                complaint = ""
            except BusError as error:
                if str(error) != complaint:
                    complaint = str(error)
                    log.warning("wishes are not told: %s", error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changed.wait()

    async def leave(self) -> None:
        """Takes every wish back; what does not get through ends by itself."""
        self._wanted = frozenset()
        try:
            await self.tell()
        except BusError as error:
            log.debug("wishes are left to expire: %s", error)

    def _wish(self, topic: str) -> Wish:
        until = datetime.now(UTC) + timedelta(seconds=self._lasting)
        return Wish(topic, self._kind, self._wisher, until)


@contextlib.asynccontextmanager
async def demand(
    *topics: str, wisher: str | None = None, kind: str = "team", lasting: float = 60.0, bus: Bus | None = None
) -> AsyncIterator[None]:
    """Has upstream asked for these topics (subjects or patterns) for as long as the block lasts.

    Without ``bus`` it opens a connection of its own, as ``BALEEN_NATS_URL``, ``BALEEN_NATS_USER`` and
    ``BALEEN_NATS_PASSWORD`` say. ``wisher`` is who to ask about it; by default the user, machine and process.
    Whether the wish can be served is told under ``feed.v1.status``.

    Raises:
        WishRefused: a topic is no subject or pattern, or the wisher's name is too long.
        AccessRefused: this user may not wish, or not for this ``kind``.
        Unreachable: the bus was not told in time.
    """
    async with contextlib.AsyncExitStack() as stack:
        if bus is None:
            bus = await stack.enter_async_context(_own_connection())
        own = f"{_user() or 'anybody'}-{socket.gethostname()}-{os.getpid()}-{next(_numbers)}"
        name = wisher or own[-LONGEST_WISHER:]
        wishing = Wishing(bus, kind=kind, wisher=name, lasting=lasting)
        wishing.want(*topics)
        try:
            await wishing.tell()
            running = asyncio.create_task(wishing.run(), name="wishing")
            try:
                yield
            finally:
                await end_task(running)
        finally:
            await wishing.leave()


def read_wish(entry: Entry, now: datetime | None = None) -> Wish:
    """Reads a wish, which a stranger may have written. One whose time is over is still a wish.

    Raises:
        WishRefused: it is none, or reaches further than ten minutes from ``now`` (by default: now).
    """
    return wish_of(entry, now or datetime.now(UTC))


async def read_wishes(source: Bus | Bucket) -> tuple[list[Wish], list[tuple[str, str]]]:
    """Every wish on the bus, those whose time is over left out; and of what is none, its key and the reason.

    Beyond :data:`MOST` the oldest are not read, and each stands among the refused under the key ``>``.
    Gateways are read first, so that nobody else's wishes keep theirs from being heard.

    Raises:
        Unreachable, ApiRefused: they cannot be read now.
    """
    bucket = source if isinstance(source, Bucket) else Bucket(source, DEMAND)
    now = datetime.now(UTC)
    wishes: list[Wish] = []
    refused: list[tuple[str, str]] = []
    entries, _ = await bucket.read_newest(MOST, key=f"{_FIRST}>")
    newest, older = await bucket.read_newest(MOST + len(entries))
    others = [entry for entry in newest if not entry.key.startswith(_FIRST)][-MOST:]
    all_read = len(entries) < MOST and len(newest) < MOST + len(entries)
    # What is written between the readings is not too much, only not read yet.
    excess = 0 if all_read else len(newest) + older - len(entries) - len(others)
    refused += [(">", str(WishReason.TOO_MANY))] * excess
    entries += others
    for number, entry in enumerate(entries):
        if number % _SLICE == 0:
            await asyncio.sleep(0)
        if entry.deleted:
            continue
        try:
            wish = wish_of(entry, now)
        except WishRefused as error:
            refused.append((entry.key, error.reason))
        else:
            if wish.until > now:
                wishes.append(wish)
    return wishes, refused


def _own_connection() -> contextlib.AbstractAsyncContextManager[Bus]:
    return open_bus(
        url=os.environ.get("BALEEN_NATS_URL", DEFAULT_URL),
        user=_user(),
        password=os.environ.get("BALEEN_NATS_PASSWORD"),
        name=f"{_user() or 'baleen-bus'}/demand",
        connect_within=CONNECT_WITHIN,
    )


def _user() -> str | None:
    return os.environ.get("BALEEN_NATS_USER")
