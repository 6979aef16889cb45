"""Pages of history: the index says which alerts are meant, the stream has them; older ones are searched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from alert_bridge.account.bodies import read_from, read_seqs
from alert_bridge.account.heard import PATTERN, STREAM, carried
from alert_bridge.account.index import Index
from alert_bridge.account.wanted import Filters, Since, Wanted
from alert_bridge.carried import Carried
from baleen_bus import Bus, Delivered
from baleen_bus.reading import stream_state
from baleen_contracts.message import micros
from baleen_contracts.tokens import name_token, symbol_token

LOOKED_AT: Final = 10_000
"""Alerts that are read for one page at most."""
PAGE_BYTES: Final = 8 << 20
_CHUNK: Final = 50
"""Alerts read in one go, which takes a few milliseconds: senders wait for their answers meanwhile."""


@dataclass(slots=True)
class Page:
    """Some alerts, oldest first.

    Attributes:
        alerts: them.
        next: the number to go on from.
        more: whether it is worth going on at once.
    """

    next: int
    alerts: list[Carried] = field(default_factory=list)
    more: bool = False
    size: int = 0


async def page_by_index(bus: Bus, index: Index, wanted: Wanted) -> Page:
    """A page of alerts that *index* knows all of; see `covers`.

    Raises:
        Unreachable, ApiRefused: the stream cannot be read now.
    """
    filters, since = wanted.filters, wanted.since
    most = LOOKED_AT if filters.text else wanted.limit
    if since is None:
        page = Page(next=index.newest + 1)
        seqs, _ = await _collect(index.backwards, index.newest, filters, most)
        await _fill(bus, page, seqs, wanted, backwards=True)
        page.alerts.reverse()
        return page
    start = since if isinstance(since, int) else index.first_from(micros(since))
    seqs, left_at = await _collect(index.onwards, start, filters, most)
    page = Page(next=left_at or max(start, index.newest + 1), more=left_at is not None)
    await _fill(bus, page, seqs, wanted, backwards=False)
    return page


async def _collect(
    some: Callable[[int, Filters, int], tuple[list[int], int | None]], start: int, filters: Filters, most: int
) -> tuple[list[int], int | None]:
    """Numbers of alerts that are meant, as many as wanted, letting others work in between."""
    found: list[int] = []
    place: int | None = start
    while place is not None:
        part, place = some(place, filters, most - len(found))
        found += part
        if place is None or len(found) >= most:
            break  # at once: where to go on is told as of this moment
        await asyncio.sleep(0)
    return found, place


async def page_by_reading(bus: Bus, start: int | datetime, wanted: Wanted) -> Page:
    """A page from any place of the stream on.

    Raises:
        Unreachable, ApiRefused: the stream cannot be read now.
    """
    page = Page(next=(await stream_state(bus, STREAM)).last_seq + 1)
    if isinstance(start, int):
        page.next = max(page.next, start)
    pattern, looked = _pattern(wanted.filters), 0
    while True:
        items, more = await read_from(bus, STREAM, pattern, start)
        for item in items:
            looked += 1
            if not looked % _CHUNK:
                await asyncio.sleep(0)
            _take(page, item, wanted)
            if _is_full(page, wanted) or looked >= LOOKED_AT:
                page.more = more or item is not items[-1]
                page.next = item.seq + 1
                return page
        if not more:
            page.next = max(page.next, items[-1].seq + 1) if items else page.next
            return page
        start = items[-1].seq + 1


def covers(index: Index, since: Since) -> bool:
    """Whether *index* knows every alert that is meant by *since*."""
    if since is None or index.floor == 0:
        return True
    if index.floor is None:
        return False
    if isinstance(since, int):
        return since > index.floor
    oldest = index.reaches_back_to
    return oldest is not None and micros(since) >= oldest


async def _fill(bus: Bus, page: Page, seqs: list[int], wanted: Wanted, *, backwards: bool) -> None:
    """Read these alerts chunk by chunk until the page is full; `next` and `more` follow what was read."""
    for place in range(0, len(seqs), _CHUNK):
        chunk = seqs[place : place + _CHUNK]
        items = await read_seqs(bus, STREAM, PATTERN, sorted(chunk))
        for item in reversed(items) if backwards else items:
            _take(page, item, wanted)
            if _is_full(page, wanted):
                if not backwards and item.seq != seqs[-1]:
                    page.more, page.next = True, item.seq + 1
                return


def _take(page: Page, item: Delivered, wanted: Wanted) -> None:
    one = carried(item)
    if one is not None and wanted.filters.meets(one.alert):
        page.alerts.append(one)
        page.size += len(item.body)


def _is_full(page: Page, wanted: Wanted) -> bool:
    return len(page.alerts) >= wanted.limit or page.size >= PAGE_BYTES


def _pattern(filters: Filters) -> str:
    """The subjects to read: one type's or one symbol's where only one is meant."""
    domain, major, *_ = PATTERN.split(".")
    kind = _only(filters.types)
    symbol = _only(filters.symbols)
    return ".".join(
        (
            domain,
            major,
            name_token(kind) if kind else "*",
            symbol_token(symbol) if symbol else "*",
        )
    )


def _only(names: frozenset[str]) -> str | None:
    """The only name; a subject's letters are folded otherwise than ours, so of ASCII letters only."""
    name = next(iter(names)) if len(names) == 1 else ""
    return name if name.isascii() and name else None
