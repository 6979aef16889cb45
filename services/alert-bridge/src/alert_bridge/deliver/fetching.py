"""Reads messages of the stream by number, past the consumer: what it has passed, and what is remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from alert_bridge.carried import Carried
from alert_bridge.deliver import names
from alert_bridge.deliver.ends import Record
from alert_bridge.deliver.reading import Drawn
from alert_bridge.deliver.taking import alert_in, decided, learn, moment
from alert_bridge.rules.decide import Decision, Memory, memory_span
from alert_bridge.rules.model import Rules
from baleen_bus import Bus
from baleen_bus.reading import Delivered, direct_get
from baleen_runtime.traceparent import TRACEPARENT, heard

REMEMBERED: Final = 50_000
"""Alerts at most from which it is known again what was let through before."""
_AT_ONCE: Final = 250


async def fetch(bus: Bus, first: int, before: int, most: int) -> list[Drawn]:
    """At most *most* messages from number *first* on and before number *before*, oldest first.

    Raises:
        Unreachable, ApiRefused: they cannot be read now.
    """
    found: list[Delivered] = []
    request = {"seq": first, "next_by_subj": names.PATTERN, "batch": min(most, before - first, _AT_ONCE)}
    if first < before:
        await direct_get(bus, names.ALERTS, request, found.append)
    return [_drawn(item) for item in found if item.seq < before]


async def recall(
    bus: Bus,
    rules: Rules,
    destination: str,
    memory: Memory,
    *,
    through: int,
    opened: Container[int],
    written: Callable[[Sequence[int]], Awaitable[Mapping[int, Record]]],
) -> dict[int, Decision]:
    """Lets *memory* know again which alerts up to number *through* were let through.

    That is told by what is written down of each, and not by deciding all of them anew: the first of them
    would be let through although an earlier one had suppressed it, and would then hide others.

    Returns:
        what is decided of those that are open, by number.

    Raises:
        Unreachable, ApiRefused: they cannot be read now.
    """
    decisions: dict[int, Decision] = {}
    span = memory_span(rules)
    if not span:
        return decisions
    first = max(1, through + 1 - REMEMBERED, await _first_within(bus, through, span))
    while first <= through:
        found = await fetch(bus, first, through + 1, _AT_ONCE)
        if not found:
            break
        records = await written([drawn.seq for drawn in found])
        for drawn in found:
            alert = alert_in(drawn.body)
            if alert is not None:
                carried = Carried(drawn.seq, alert, drawn.stored_at)
                record = records.get(drawn.seq)
                if record is not None:
                    learn(rules, destination, carried, record, memory)
                if drawn.seq in opened and (record is None or not record.final):
                    decisions[drawn.seq] = decided(rules, destination, carried, memory)
        first = found[-1].seq + 1
        await asyncio.sleep(0)
    return decisions


async def _first_within(bus: Bus, through: int, span: float) -> int:
    """The number of the first alert stored within *span* seconds before number *through*."""
    last = await fetch(bus, through, through + 1, 1)
    if not last:
        return through + 1
    found: list[Delivered] = []
    since = last[0].stored_at - timedelta(seconds=span)
    request = {"start_time": _written(since), "next_by_subj": names.PATTERN, "batch": 1}
    await direct_get(bus, names.ALERTS, request, found.append)
    return found[0].seq if found else through + 1


def _drawn(item: Delivered) -> Drawn:
    traceparent = heard(item.headers.get(TRACEPARENT))
    return Drawn(item.seq, moment(item.headers["Nats-Time-Stamp"]), item.body, traceparent)


def _written(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
