"""Which slots are used, and where each channel sits.

Pure. The fewest slots are used that hold everything by number and by weight, rather those that have it
already, and never more sockets than the ceiling allows, those on their way out counted. A channel sits where
it is joined, unless its slot leaves, is full or carries far too much, and it moves only to a place that is
free; new ones go where least is carried, so that a second slot takes what is not the firehose.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from uw_ingest.plan.budget_plan import Plan, SlotView
from uw_ingest.plan.covering import SLACK, Load, loads, whole_of
from uw_ingest.plan.wanted import Want

_OVER = 1.25  # of the capacity before a channel is moved away for its weight
_UNDER = 0.8  # of the capacity into which channels of two slots must fit to share one


@dataclass(slots=True)
class Seating:
    """The loads, the slots they may sit on, and who sits where; :meth:`choose`, then :meth:`seat`.

    Attributes:
        before: the joins so far.
        sat: where each channel was joined.
        open: the slots that may have joins, the best first.
        used: those of them to sit on.
        by_name: the served loads by channel.
        seats: where each served channel sits.
        taken: the places on each socket, old joins that must stay counted.
    """

    wants: Sequence[Want]
    views: Mapping[int, SlotView]
    previous: Plan
    ceiling: int
    most: int
    capacity: float
    before: dict[int, tuple[str, ...]] = field(default_factory=dict)
    sat: dict[str, int] = field(default_factory=dict)
    open: list[int] = field(default_factory=list)
    used: list[int] = field(default_factory=list)
    served: list[Load] = field(default_factory=list)
    unserved: list[Load] = field(default_factory=list)
    by_name: dict[str, Load] = field(default_factory=dict)
    seats: dict[str, int] = field(default_factory=dict)
    taken: dict[int, set[str]] = field(default_factory=dict)

    def choose(self) -> None:
        """Decide what is served, and on which slots."""
        self._look_back()
        numbers = {n for n, view in self.views.items() if view.held} | set(self.sat.values())
        ranked = sorted(numbers, key=self._grade)[: self.ceiling]
        free = [n for n in range(1, self.ceiling + 1) if n not in numbers][: self.ceiling - len(ranked)]
        self.open = sorted([*ranked, *free], key=self._grade)
        room = sum(self.cap(number) for number in self.open)
        accepted = {channel for view in self.views.values() for channel in view.accepted}
        wanted = loads(self.wants, room=room, joined=self.sat.keys(), accepted=accepted)
        self.served, self.unserved = wanted[:room], wanted[room:]
        self.by_name = {load.channel: load for load in self.served}
        sat_on = {self.sat[load.channel] for load in self.served if load.channel in self.sat}
        now = [number for number in self.open if number in sat_on and not self.view(number).leaving]
        self.used = next(
            (self.open[:n] for n in range(len(self.open)) if self._fit(self.open[:n], len(now))), self.open
        )

    def seat(self) -> None:
        """Seat every served channel: where it sat, else where there is room."""
        self.seats = {load.channel: self.sat[load.channel] for load in self.served if self._sits(load)}
        self.taken = {n: set(self.held_over(n)) for n in self.open}
        for channel, number in self.seats.items():
            self.taken[number].add(channel)
        for channel in self._movers():
            origin = self.seats.pop(channel)
            found = self._best(self.by_name[channel], origin)
            self.seats[channel] = origin if found is None else found
            self.taken[self.seats[channel]].add(channel)
        for load in sorted(self.served, key=lambda load: (-load.weight, load.channel)):
            if load.channel not in self.seats:
                target = self._best(load, None)
                assert target is not None  # noqa: S101 - as many are served as there is room for
                self.seats[load.channel] = target
                self.taken[target].add(load.channel)

    # --- the slots

    def view(self, number: int) -> SlotView:
        """Return what is known of a slot."""
        return self.views.get(number) or SlotView(number, held=False)

    def cap(self, number: int) -> int:
        """Return how many joins a slot takes."""
        full_at = self.view(number).full_at
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
            if channel in wanted and (number <= self.ceiling or self.view(number).held)
        }

    def _grade(self, number: int) -> tuple[int, int, int]:
        """Rank a slot: the lower, the rather it is used."""
        view, sitting = self.view(number), list(self.sat.values()).count(number)
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
        room = sum(cap - (cap // SLACK if fewer else 0) for cap in map(self.cap, numbers))
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
            mine.sort(key=lambda load: load.channel not in self.view(number).accepted)
            movers += [load.channel for load in mine[self.cap(number) :]]
            mine = mine[: self.cap(number)]
            weight = sum(load.weight for load in mine)
            if weight <= self.capacity * _OVER:
                continue
            for load in sorted(mine, key=lambda load: (-load.weight, load.channel))[: len(mine) - 1]:
                if weight > self.capacity:
                    movers.append(load.channel)
                    weight -= load.weight
        return sorted(movers, key=lambda channel: (-self.by_name[channel].weight, channel))

    def _best(self, load: Load, origin: int | None) -> int | None:
        """Return the slot to sit on; one that moves wants a place that is free now and not too heavy."""
        sitting = list(self.seats.values())
        found = []
        for number in self.used:
            free = len(self.taken[number]) < self.cap(number)
            seats = self.cap(number) - sitting.count(number)
            weight = self._weight(number)
            if number == origin or seats <= 0 or (origin is not None and not free):
                continue
            for_weight = origin in self.used and sitting.count(origin) < self.cap(origin or 0)
            if for_weight and weight and weight + load.weight > self.capacity:
                continue
            replaced = len(self.taken[number].intersection(load.carries))
            found.append((not free, 0 if free else -replaced, weight, number))
        if not found and origin is not None and sitting.count(origin) >= self.cap(origin):
            return self._best(load, None)
        return min(found)[-1] if found else None

    # --- what has arrived, and what must stay until it has

    def accepted(self, channel: str, number: int) -> bool:
        """Tell whether a channel is joined there, on a socket that speaks."""
        view = self.view(number)
        return view.held and view.connected and not view.mute and channel in view.accepted

    def heirs(self, channel: str) -> list[str]:
        """Return the channels that carry a channel's data from now on; none if nobody wants it."""
        if channel in self.by_name:
            return [channel]
        whole = whole_of(channel)
        if whole is None:
            return [other for other in self.by_name if whole_of(other) == channel]
        return [whole] if whole in self.by_name and channel in self.by_name[whole].carries else []

    def held_over(self, number: int) -> Iterable[str]:
        """Yield the old joins that a slot must keep until what replaces them is accepted."""
        if number not in self.open or not self.view(number).held:
            return
        for channel in self.before.get(number, ()):
            if self.seats.get(channel) == number:
                continue
            if self.unaccepted(self.heirs(channel)):
                yield channel

    def unaccepted(self, channels: Iterable[str]) -> list[str]:
        """Return those channels that are not joined where they sit."""
        return [c for c in channels if c not in self.seats or not self.accepted(c, self.seats[c])]
