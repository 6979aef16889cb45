"""Reads what a predecessor left: the alerts that it had open, and those that the stream let go meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from alert_bridge.carried import Carried
from alert_bridge.deliver.around import Around
from alert_bridge.deliver.counts import Counts
from alert_bridge.deliver.ends import Record
from alert_bridge.deliver.fetching import fetch, recall
from alert_bridge.deliver.letters import letter_of_range
from alert_bridge.deliver.reading import Drawn
from alert_bridge.deliver.taking import alert_in, decided, gone
from alert_bridge.rules.decide import Decision, Memory
from alert_bridge.rules.model import Rules

_PREDECESSOR: Final = 5_000
"""Alerts at most that a sender can have ended after it last said how far it had come."""
_AT_ONCE: Final = 250

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Inherited:
    """One alert that was open.

    Attributes:
        seq: its number.
        drawn: what the stream has of it; None if it let it go.
        record: what is written down of it.
        decision: what the rules say of it.
    """

    seq: int
    drawn: Drawn | None
    record: Record | None
    decision: Decision | None


async def inherited(name: str, around: Around, counts: Counts, memory: Memory) -> list[Inherited]:
    """What is open, oldest first; *memory* then knows again what was let through.

    Raises:
        Unreachable, ApiRefused: it cannot be read now.
    """
    opened = list(counts.open)
    rules = around.rules()

    decisions = await recall(
        around.bus,
        rules,
        name,
        memory,
        through=counts.through,
        opened=counts.open,
        written=lambda seqs: around.ledger.of(name, seqs, counts.epoch),
    )
    records = await around.ledger.of(name, opened, counts.epoch)
    kept: dict[int, Drawn] = {}
    for first, last in _runs(opened):
        kept |= {drawn.seq: drawn for drawn in await fetch(around.bus, first, last + 1, _AT_ONCE)}
    found = []
    for seq in opened:
        drawn = kept.get(seq)
        decision = decisions.get(seq)
        if decision is None and drawn is not None:
            decision = _alone(rules, name, drawn)
        found.append(Inherited(seq, drawn, records.get(seq), decision))
    return found


async def account_for(name: str, around: Around, counts: Counts, *, last: int, known: int) -> None:
    """Numbers up to *last* are gone from the stream: what had not ended is lost, never in silence.

    A predecessor may have ended some of them after it last said how far it had come, up to number *known*.

    Raises:
        Unreachable, ApiRefused: what is written down cannot be read now.
    """
    first = counts.through + 1
    looked = min(last, known, counts.through + _PREDECESSOR)
    records = await around.ledger.of(name, range(first, looked + 1), counts.epoch)
    ways = gone(range(first, looked + 1), records)
    lost = [seq for seq, way in ways if way is None]
    count = len(lost) + max(0, last - max(looked, counts.through))
    if count:
        log.error("the stream let alerts go before they were delivered", destination=name, alerts=count)
        begin = lost[0] if lost else max(first, looked + 1)
        end = last if last > looked else lost[-1]
        letter = letter_of_range(
            begin, end, count, destination=name, epoch=counts.epoch, now=around.clock.now()
        )
        await around.letters.publish(letter)
    for seq, way in ways:
        if way is None:
            counts.expire(seq)
        else:
            counts.took(seq)
            counts.end(seq, way.state, way.reason, way.again)
    counts.expire(last)


def _alone(rules: Rules, name: str, drawn: Drawn) -> Decision | None:
    """What is decided of an alert older than all that is remembered: later ones do not count."""
    alert = alert_in(drawn.body)
    if alert is None:
        return None
    return decided(rules, name, Carried(drawn.seq, alert, drawn.stored_at), Memory())


def _runs(seqs: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The first and last numbers of what follows one another, no more than are read at once."""
    first = last = None
    for seq in seqs:
        if first is not None and last is not None:
            if seq == last + 1 and seq - first < _AT_ONCE:
                last = seq
                continue
            yield first, last
        first = last = seq
    if first is not None and last is not None:
        yield first, last
