"""Which channel is joined on which slot's socket.

Pure: wants, slots and the previous plan in, the next plan out; the same in gives the same out. In this order:

- what is joined: :mod:`uw_ingest.covering` puts a channel of all tickers for many of one kind; when not all
  fit, configured channels go first, then those that most wish for;
- which slots: the fewest that hold it by number and by weight, and rather those that have it already; never
  more than the ceiling, sockets on their way out counted;
- where each channel sits: where it sat, unless its slot leaves, is full or carries far too much; new ones go
  where least is carried, so that a second slot takes what is not the firehose;
- who joins it: its slot, and until upstream accepted it there whoever joined it before. Only where every
  place is taken does a channel take the place of the one it replaces before it is accepted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from uw_ingest.budget_plan import (
    NOTHING_PLANNED,
    Placement,
    Plan,
    SlotView,
    plan_from_json,
    plan_to_json,
)
from uw_ingest.covering import SLACK, Load, loads, whole_of
from uw_ingest.wanted import Unserved, Want, topic_of

__all__ = ["NOTHING_PLANNED", "Placement", "Plan", "SlotView", "plan", "plan_from_json", "plan_to_json"]

CAPACITY = 20_000.0  # frames a second that one socket's holder reads at ease
_MAX_UNSERVED = 1_000  # that are told one by one
_OVER = 1.25  # of the capacity before a channel is moved away for its weight
_UNDER = 0.8  # of the capacity into which channels of two slots must fit to share one


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
    table = _Table(wants, slots, previous, ceiling=ceiling, most=most, capacity=capacity)
    table.choose()
    table.seat()
    joins = table.joins()
    unserved = [
        Unserved(topic_of(channel), load.by, table.why_not())
        for load in table.unserved
        for channel in (*load.carries, *([load.channel] if load.itself else []))
    ]
    return Plan(joins, table.placements(joins), tuple(unserved[:_MAX_UNSERVED]), ceiling, ceiling_why)


@dataclass(slots=True)
class _Table:
    """The loads, the slots they may sit on, and who sits where. Built up step by step."""

    wants: Sequence[Want]
    views: Mapping[int, SlotView]
    previous: Plan
    ceiling: int
    most: int
    capacity: float
    before: dict[int, tuple[str, ...]] = field(default_factory=dict)  # joins
    sat: dict[str, int] = field(default_factory=dict)  # where each channel sat
    open: list[int] = field(default_factory=list)  # slots that may have joins, the best first
    used: list[int] = field(default_factory=list)  # those of them to sit on
    served: list[Load] = field(default_factory=list)
    unserved: list[Load] = field(default_factory=list)
    loads: dict[str, Load] = field(default_factory=dict)  # the served ones, by channel
    seats: dict[str, int] = field(default_factory=dict)
    taken: dict[int, set[str]] = field(default_factory=dict)  # places on sockets, old joins counted

    def choose(self) -> None:
        """Decide what is served, and on which slots."""
        self._look_back()
        numbers = {n for n, view in self.views.items() if view.held} | set(self.sat.values())
        ranked = sorted(numbers, key=self._grade)[: self.ceiling]
        free = [n for n in range(1, self.ceiling + 1) if n not in numbers][: self.ceiling - len(ranked)]
        self.open = sorted([*ranked, *free], key=self._grade)
        room = sum(self._cap(number) for number in self.open)
        accepted = {channel for view in self.views.values() for channel in view.accepted}
        wanted = loads(self.wants, room=room, joined=self.sat.keys(), accepted=accepted)
        self.served, self.unserved = wanted[:room], wanted[room:]
        self.loads = {load.channel: load for load in self.served}
        sat_on = {self.sat[load.channel] for load in self.served if load.channel in self.sat}
        now = [number for number in self.open if number in sat_on and not self._view(number).leaving]
        self.used = next(
            (self.open[:n] for n in range(len(self.open)) if self._fit(self.open[:n], len(now))), self.open
        )

    def seat(self) -> None:
        """Seat every served channel: where it sat, else where there is room."""
        self.seats = {load.channel: self.sat[load.channel] for load in self.served if self._sits(load)}
        self.taken = {n: set(self._held_over(n)) for n in self.open}
        for channel, number in self.seats.items():
            self.taken[number].add(channel)
        for channel in self._movers():
            origin = self.seats.pop(channel)
            found = self._best(self.loads[channel], origin)
            self.seats[channel] = origin if found is None else found
            self.taken[self.seats[channel]].add(channel)
        for load in sorted(self.served, key=lambda load: (-load.weight, load.channel)):
            if load.channel not in self.seats:
                target = self._best(load, None)
                assert target is not None  # noqa: S101 - as many are served as there is room for
                self.seats[load.channel] = target
                self.taken[target].add(load.channel)

    def joins(self) -> dict[int, tuple[str, ...]]:
        """Return who joins what."""
        joins = {number: self._joins_of(number) for number in sorted(self.open)}
        for number in joins:
            self._make_place(number, joins)
        order = {load.channel: place for place, load in enumerate(self.served) if load.configured}
        return {
            number: tuple(sorted(channels, key=lambda c: (order.get(c, len(order)), c)))
            for number, channels in joins.items()
            if channels
        }

    def placements(self, joins: Mapping[int, tuple[str, ...]]) -> tuple[Placement, ...]:
        """Return where everything wanted sits, and why."""
        found = []
        for load in self.served:
            number = self.seats[load.channel]
            why = self._why(load, number, joins)
            found.append(Placement(load.channel, number, why, self._from(load.channel, joins), by=load.by))
            covered = f"{load.channel} brings it"
            for ticker in load.carries:
                origin = self._from(ticker, joins)
                found.append(Placement(ticker, number, covered, origin, via=load.channel))
        return tuple(sorted(found, key=lambda placement: placement.channel))

    def why_not(self) -> str:
        """Say why a channel has no place, and what would help."""
        if not self.open:
            return "no upstream socket may be opened now"
        room = sum(self._cap(number) for number in self.open)
        full = [n for n in self.open if self._cap(n) < self.most]
        limit = f" (upstream stopped slot {full[0]} at {self._cap(full[0])})" if full else ""
        sockets = "the only socket" if len(self.open) == 1 else f"{len(self.open)} sockets"
        return (
            f"all {room} joins of {sockets} are taken{limit}: wish for all tickers of a kind instead of many,"
            " configure fewer channels, or raise UW_INGEST_SLOTS if upstream's plan allows more sockets"
        )

    # --- the slots

    def _view(self, number: int) -> SlotView:
        return self.views.get(number) or SlotView(number, held=False)

    def _cap(self, number: int) -> int:
        full_at = self._view(number).full_at
        return self.most if full_at is None else max(0, min(self.most, full_at))

    def _look_back(self) -> None:
        """Recall who joined what and sat where; without a plan, what the sockets have is the plan."""
        told = {n: tuple(sorted(view.accepted)) for n, view in self.views.items() if view.accepted}
        self.before = dict(self.previous.joins) or told
        wanted = {want.channel for want in self.wants}
        wanted |= {whole for channel in wanted if (whole := whole_of(channel)) is not None}
        for number, channels in sorted(self.before.items()):
            for channel in channels:
                self.sat.setdefault(channel, number)
        self.sat |= {
            p.channel: p.slot for p in self.previous.placements if p.channel in self.before.get(p.slot, ())
        }
        self.sat = {
            channel: number
            for channel, number in self.sat.items()
            if channel in wanted and (number <= self.ceiling or self._view(number).held)
        }

    def _grade(self, number: int) -> tuple[int, int, int]:
        """Rank a slot: the lower, the rather it is used."""
        view, sitting = self._view(number), list(self.sat.values()).count(number)
        if view.leaving:
            grade = 5
        elif view.mute:
            grade = 2 if sitting else 4
        elif sitting:
            grade = 0
        else:
            grade = 1 if view.held else 3
        return grade, -sitting, number

    def _fit(self, numbers: Sequence[int], now: int) -> bool:
        """Tell whether everything fits on these slots: with something to spare if they are fewer than now."""
        fewer, as_now = len(numbers) < now, len(numbers) == now
        room = sum(cap - (cap // SLACK if fewer else 0) for cap in map(self._cap, numbers))
        limit = self.capacity * (_UNDER if fewer else _OVER if as_now else 1.0)
        bins = [0.0] * len(numbers)
        for weight in sorted((load.weight for load in self.served), reverse=True):
            if not bins:
                return False
            least = bins.index(min(bins))
            if bins[least] and bins[least] + weight > limit:
                return False
            bins[least] += weight
        return len(self.served) <= room

    # --- the seats

    def _sits(self, load: Load) -> bool:
        return self.sat.get(load.channel) in self.open

    def _weight(self, number: int) -> float:
        return sum(load.weight for load in self.served if self.seats.get(load.channel) == number)

    def _movers(self) -> list[str]:
        """Say who must move, if there is a place for them: off slots not used, too full or too heavy."""
        movers: list[str] = []
        for number in self.open:
            mine = [load for load in self.served if self.seats.get(load.channel) == number]
            if number not in self.used:
                movers += [load.channel for load in mine]
                continue
            mine.sort(key=lambda load: load.channel not in self._view(number).accepted)
            movers += [load.channel for load in mine[self._cap(number) :]]
            mine = mine[: self._cap(number)]
            weight = sum(load.weight for load in mine)
            if weight <= self.capacity * _OVER:
                continue
            for load in sorted(mine, key=lambda load: (-load.weight, load.channel))[: len(mine) - 1]:
                if weight > self.capacity:
                    movers.append(load.channel)
                    weight -= load.weight
        return sorted(movers, key=lambda channel: (-self.loads[channel].weight, channel))

    def _best(self, load: Load, origin: int | None) -> int | None:
        """Return the slot to sit on; one that moves wants a place that is free now and not too heavy."""
        sitting = list(self.seats.values())
        found = []
        for number in self.used:
            free = len(self.taken[number]) < self._cap(number)
            seats = self._cap(number) - sitting.count(number)
            weight = self._weight(number)
            if number == origin or seats <= 0 or (origin is not None and not free):
                continue
            for_weight = origin in self.used and sitting.count(origin) < self._cap(origin or 0)
            if for_weight and weight and weight + load.weight > self.capacity:
                continue
            replaced = len(self.taken[number].intersection(load.carries))
            found.append((not free, 0 if free else -replaced, weight, number))
        if not found and origin is not None and sitting.count(origin) >= self._cap(origin):
            return self._best(load, None)
        return min(found)[-1] if found else None

    # --- the joins

    def _accepted(self, channel: str, number: int) -> bool:
        view = self._view(number)
        return view.held and view.connected and not view.mute and channel in view.accepted

    def _heirs(self, channel: str) -> list[str]:
        """Return the channels that carry a channel's data from now on; none if nobody wants it."""
        if channel in self.loads:
            return [channel]
        whole = whole_of(channel)
        if whole is None:
            return [other for other in self.loads if whole_of(other) == channel]
        return [whole] if whole in self.loads and channel in self.loads[whole].carries else []

    def _held_over(self, number: int) -> Iterable[str]:
        """Yield the old joins that a slot must keep until what replaces them is accepted."""
        if number not in self.open or not self._view(number).held:
            return
        for channel in self.before.get(number, ()):
            if self.seats.get(channel) == number:
                continue
            if self._unaccepted(self._heirs(channel)):
                yield channel

    def _joins_of(self, number: int) -> list[str]:
        view, before = self._view(number), set(self.before.get(number, ()))
        mine = [load.channel for load in self.served if self.seats[load.channel] == number]
        over = list(self._held_over(number))
        ranked = [c for c in mine if c in view.accepted and c in before]
        ranked += [c for c in over if c in view.accepted]
        ranked += [c for c in mine if c in before and c not in view.accepted]
        fresh = [c for c in mine if c not in before]
        late = [c for c in over if c not in view.accepted]
        cap = min(self.most, max(self._cap(number), len(view.accepted & before)))
        return [*ranked, *fresh, *late][:cap]

    def _make_place(self, number: int, joins: dict[int, list[str]]) -> None:
        """Let a channel that waits for a place take that of the one it replaces, if none will become free."""
        kept = joins[number]
        waiting = [c for c, seat in self.seats.items() if seat == number and c not in kept]
        for channel in waiting:
            over = [c for c in kept if self.seats.get(c) != number]
            due = {old: self._unaccepted(self._heirs(old)) for old in over}
            if any(heir in joins[self.seats[heir]] for heirs in due.values() for heir in heirs):
                return
            replaced = next((old for old in reversed(over) if channel in due[old]), None)
            if replaced is not None:
                kept[kept.index(replaced)] = channel

    def _unaccepted(self, channels: Iterable[str]) -> list[str]:
        return [c for c in channels if c not in self.seats or not self._accepted(c, self.seats[c])]

    # --- the words

    def _from(self, channel: str, joins: Mapping[int, tuple[str, ...]]) -> int | None:
        """Return the slot that still has the old join."""
        seat = self.seats.get(channel)
        return next((n for n, channels in joins.items() if channel in channels and n != seat), None)

    def _why(self, load: Load, number: int, joins: Mapping[int, tuple[str, ...]]) -> str:
        wishers = f"wished by {len(load.by)}" if load.by else "lingers after the last wish"
        words = ["configured" if load.configured else wishers]
        if load.carries:
            words.append(
                f"instead of {len(load.carries)} tickers" if len(load.carries) > 1 else "covers one ticker"
            )
        only = len(set(self.seats.values())) == 1
        words.append("on the only socket" if only else f"on slot {number}")
        origin, view = self._from(load.channel, joins), self._view(number)
        if origin is not None:
            words.append(f"moves from slot {origin}, which {self._flaw(origin)}")
        elif view.leaving:
            words.append("which is leaving, and no other is free")
        if load.channel not in joins.get(number, ()):
            words.append("waits for a place to become free")
        return "; ".join(words)

    def _flaw(self, number: int) -> str:
        view = self._view(number)
        if view.leaving:
            return "is leaving"
        if view.mute:
            return "is mute"
        if view.full_at is not None:
            return f"upstream stopped at {view.full_at}"
        return "carries too much" if number in self.used else "is not needed any more"
