"""Which channel is joined on which slot's socket.

Pure: wants, slots and the previous plan in, the next plan out; the same in gives the same out. In this order:

- what is joined: :mod:`uw_ingest.plan.covering` puts a channel of all tickers for many of one kind; when not
  all fit, configured channels go first, then those that most wish for;
- which slots are used, and where each channel sits: :mod:`uw_ingest.plan.seating`;
- who joins it: the slot where it sits, and until upstream accepted it there whoever joined it before. Only
  where every place is taken does a channel take the place of the one it replaces before it is accepted; and a
  ceiling that falls is obeyed at once, since a socket too many is worse than a gap.
"""

from collections.abc import Mapping, Sequence

from uw_ingest.plan.budget_plan import (
    NOTHING_PLANNED,
    Placement,
    Plan,
    SlotView,
    plan_from_json,
    plan_to_json,
)
from uw_ingest.plan.covering import Load
from uw_ingest.plan.seating import Seating
from uw_ingest.plan.wanted import MAX_NAMED, MAX_UNSERVED, Unserved, Want, topic_of

__all__ = ["NOTHING_PLANNED", "Placement", "Plan", "SlotView", "plan", "plan_from_json", "plan_to_json"]

CAPACITY = 20_000.0  # frames a second that one socket's holder reads at ease
_MAX_COVERED = 1_000  # tickers that are listed with the channel that brings them


def plan(
    wants: Sequence[Want],
    slots: Mapping[int, SlotView],
    previous: Plan,
    *,
    ceiling: int,
    most: int = 45,
    capacity: float = CAPACITY,
    ceiling_why: str = "",
) -> Plan:
    """Return the next plan.

    Args:
        wants: what should be joined, configured ones in their order.
        slots: what is known of the slots; one that is missing is held by nobody.
        previous: the plan that the slots follow now.
        ceiling: how many sockets there may be. Slots are numbered from 1; one above the ceiling is used only
            while somebody holds it.
        most: joins on one socket.
        capacity: frames a second on one socket.
        ceiling_why: said in the plan.
    """
    seating = Seating(wants, slots, previous, ceiling=ceiling, most=most, capacity=capacity)
    seating.choose()
    seating.seat()
    joins = _joins(seating)
    unserved = [
        Unserved(topic_of(channel), load.by[:MAX_NAMED], _why_not(seating))
        for load in seating.unserved
        for channel in (*load.carries, *([load.channel] if load.itself else []))
    ]
    stuck = tuple(n for n in sorted(joins) if n in seating.used and seating.view(n).leaving)
    return Plan(
        joins, _placements(seating, joins), tuple(unserved[:MAX_UNSERVED]), ceiling, ceiling_why, stuck
    )


def _placements(seating: Seating, joins: Mapping[int, tuple[str, ...]]) -> tuple[Placement, ...]:
    """Return where everything wanted sits, and why."""
    found, covered = [], []
    for load in seating.served:
        number = seating.seats[load.channel]
        why, origin = _why(seating, load, number, joins), _from(seating, load.channel, joins)
        found.append(Placement(load.channel, number, why, origin, by=load.by[:MAX_NAMED]))
        why = f"{load.channel} brings it"
        covered += [
            Placement(ticker, number, why, _from(seating, ticker, joins), via=load.channel)
            for ticker in load.carries
        ]
    return tuple(sorted([*found, *covered[:_MAX_COVERED]], key=lambda placement: placement.channel))


def _joins(seating: Seating) -> dict[int, tuple[str, ...]]:
    """Return who joins what."""
    joins = {number: _joins_of(seating, number) for number in sorted(seating.open)}
    for number in joins:
        _make_place(seating, number, joins)
    order = {load.channel: place for place, load in enumerate(seating.served) if load.configured}
    return {
        number: tuple(sorted(channels, key=lambda c: (order.get(c, len(order)), c)))
        for number, channels in joins.items()
        if channels
    }


def _joins_of(seating: Seating, number: int) -> list[str]:
    view, before = seating.view(number), set(seating.before.get(number, ()))
    mine = [load.channel for load in seating.served if seating.seats[load.channel] == number]
    over = list(seating.held_over(number))
    ranked = [c for c in mine if c in view.accepted and c in before]
    ranked += [c for c in over if c in view.accepted]
    ranked += [c for c in mine if c in before and c not in view.accepted]
    fresh = [c for c in mine if c not in before]
    late = [c for c in over if c not in view.accepted]
    cap = min(seating.most, max(seating.cap(number), len(view.accepted & before)))
    return [*ranked, *fresh, *late][:cap]


def _make_place(seating: Seating, number: int, joins: dict[int, list[str]]) -> None:
    """Let a channel that waits for a place take that of the one it replaces, if none will become free."""
    kept = joins[number]
    waiting = [c for c, seat in seating.seats.items() if seat == number and c not in kept]
    for channel in waiting:
        over = [c for c in kept if seating.seats.get(c) != number]
        due = {old: seating.unaccepted(seating.heirs(old)) for old in over}
        if any(heir in joins[seating.seats[heir]] for heirs in due.values() for heir in heirs):
            return
        replaced = next((old for old in reversed(over) if channel in due[old]), None)
        if replaced is not None:
            kept[kept.index(replaced)] = channel


def _from(seating: Seating, channel: str, joins: Mapping[int, tuple[str, ...]]) -> int | None:
    """Return the slot that still has the old join."""
    seat = seating.seats.get(channel)
    return next((n for n, channels in joins.items() if channel in channels and n != seat), None)


def _why(seating: Seating, load: Load, number: int, joins: Mapping[int, tuple[str, ...]]) -> str:
    wishers = f"wished by {len(load.by)}" if load.by else "lingers after the last wish"
    words = ["configured" if load.configured else wishers]
    if load.carries:
        words.append(
            f"instead of {len(load.carries)} tickers" if len(load.carries) > 1 else "covers one ticker"
        )
    only = len(set(seating.seats.values())) == 1
    words.append("on the only socket" if only else f"on slot {number}")
    origin, view = _from(seating, load.channel, joins), seating.view(number)
    if origin is not None:
        words.append(f"moves from slot {origin}, which {_flaw(seating, origin)}")
    elif view.leaving:
        words.append("which is leaving, and no other is free")
    if load.channel not in joins.get(number, ()):
        words.append("waits for a place to become free")
    return "; ".join(words)


def _flaw(seating: Seating, number: int) -> str:
    view = seating.view(number)
    if view.leaving:
        return "is leaving"
    if view.mute:
        return "is mute"
    if view.full_at is not None:
        return f"upstream stopped at {view.full_at}"
    return "carries too much" if number in seating.used else "is not needed any more"


def _why_not(seating: Seating) -> str:
    """Say why a channel has no place, and what would help."""
    if not seating.open:
        return "no upstream socket may be opened now"
    room = sum(seating.cap(number) for number in seating.open)
    full = [n for n in seating.open if seating.cap(n) < seating.most]
    limit = f" (upstream stopped slot {full[0]} at {seating.cap(full[0])})" if full else ""
    sockets = "the only socket" if len(seating.open) == 1 else f"{len(seating.open)} sockets"
    return (
        f"all {room} joins of {sockets} are taken{limit}: wish for all tickers of a kind instead of many,"
        " configure fewer channels, or raise UW_INGEST_SLOTS if upstream's plan allows more sockets"
    )
