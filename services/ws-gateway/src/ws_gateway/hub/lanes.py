"""Lanes: who gets which frame. Pure: sockets are only things with a `write`, time is not known here.

A lane is a set of wishes in one dialect. Its clients stand in pens of limited size; a client with wishes of
its own is a pen of one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable
from typing import Final, NamedTuple

from ws_gateway.dialects import Dialect
from ws_gateway.hub.paths import Paths
from ws_gateway.hub.pens import COHORT_SIZE, Cohort, Pen, Seat
from ws_gateway.hub.wishes import Filter, Wish
from ws_gateway.topics import TopicTree
from ws_gateway.wire.parcel import Parcel

MAX_FILTERS: Final = 1_000
"""Different conditions of all clients together; each may be asked of every message."""


class Lane:
    """One set of wishes in one dialect, and the pens of those who have it."""

    __slots__ = ("dialect", "name", "pens", "topics", "wishes")

    def __init__(self, dialect: Dialect, wishes: frozenset[Wish]) -> None:
        self.dialect = dialect
        self.name = dialect.name
        self.wishes = wishes
        self.topics = frozenset(wish.topic for wish in wishes)
        self.pens: list[Pen] = []


class Branch(NamedTuple):
    """Where a frame goes whose message meets any of the filters."""

    filters: tuple[Filter, ...]
    appends: tuple[Callable[[Parcel], None], ...]
    cohorts: tuple[Cohort, ...]


class Route(NamedTuple):
    """Where one dialect's frame of one subject goes: to some whatever it holds, to others if they want it."""

    dialect: Dialect
    appends: tuple[Callable[[Parcel], None], ...]
    cohorts: tuple[Cohort, ...]
    branches: tuple[Branch, ...]


class Lanes:
    """All lanes, and the way from a subject to them."""

    def __init__(self) -> None:
        self._lanes: dict[Hashable, Lane] = {}
        self._tree: TopicTree[Lane] = TopicTree()
        self._filtered: TopicTree[tuple[Lane, Filter]] = TopicTree()
        self._routes: Paths[tuple[Route, ...]] = Paths()
        self._roomy: dict[Cohort, None] = {}
        self._conditions: Counter[Filter] = Counter()
        self.on_topics: Callable[[Collection[str], Collection[str]], None] = _nobody_minds
        """Hears the topics of every lane that appears, and of every one that disappears."""

    def __len__(self) -> int:
        return len(self._lanes)

    def has_room_for(self, condition: Filter | None) -> bool:
        """Tell whether a wish under *condition* may come: there are not too many different ones."""
        known = condition is None or condition in self._conditions
        return known or len(self._conditions) < MAX_FILTERS

    def routes(self, subject: str) -> tuple[Route, ...]:
        """Return where frames of *subject* go, one route per dialect; found once, then remembered."""
        routes = self._routes.get(subject)
        if routes is None:
            routes = self._find_routes(subject)
            self._routes.put(subject, routes)
        return routes

    def speaking(self, dialect: str) -> list[Lane]:
        """Return the lanes of the dialect of that name."""
        return [lane for lane in self._lanes.values() if lane.dialect.name == dialect]

    def join(self, seat: Seat, dialect: Dialect, wishes: frozenset[Wish]) -> None:
        """Seat a client where it gets every later frame that any of *wishes* means exactly once."""
        key = (dialect.name, wishes)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(dialect, wishes)
            for topic, condition in wishes:
                if condition is None:
                    self._tree.add(topic, lane)
                else:
                    self._filtered.add(topic, (lane, condition))
                    self._conditions[condition] += 1
            self.on_topics(lane.topics, ())
        pen = next((pen for pen in reversed(lane.pens) if pen.cohort.size < COHORT_SIZE), None)
        if pen is None:
            pen = Pen(lane, self._room())
            lane.pens.append(pen)
            pen.cohort.pens.append(pen)
            self._forget_routes(lane)
        pen.sit(seat)
        if pen.cohort.size >= COHORT_SIZE:
            self._roomy.pop(pen.cohort, None)

    def leave(self, seat: Seat) -> tuple[list[Parcel], Cohort | None]:
        """Take a client off its lane.

        Returns:
            what it has not been sent yet, and the cohort it stood in if that has become empty.
        """
        pen = seat.pen
        if pen is None:
            return [], None
        owed = pen.rise(seat)
        cohort = pen.cohort
        if not len(pen):
            self._close(pen)
        if cohort.size:
            self._roomy[cohort] = None
            return owed, None
        self._roomy.pop(cohort, None)
        return owed, cohort

    def _room(self) -> Cohort:
        cohort = next(iter(self._roomy), None)
        if cohort is None:
            cohort = Cohort()
            self._roomy[cohort] = None
        return cohort

    def _close(self, pen: Pen) -> None:
        lane = pen.lane
        lane.pens.remove(pen)
        pen.cohort.pens.remove(pen)
        self._forget_routes(lane)
        if not lane.pens:
            del self._lanes[lane.dialect.name, lane.wishes]
            for topic, condition in lane.wishes:
                if condition is None:
                    self._tree.remove(topic, lane)
                else:
                    self._filtered.remove(topic, (lane, condition))
                    self._conditions[condition] -= 1
                    if not self._conditions[condition]:
                        del self._conditions[condition]
            self.on_topics((), lane.topics)

    def _forget_routes(self, lane: Lane) -> None:
        for topic in lane.topics:
            self._routes.forget(topic)

    def _find_routes(self, subject: str) -> tuple[Route, ...]:
        free = self._tree.match(subject)
        filters: dict[Lane, set[Filter]] = {}
        for lane, condition in self._filtered.match(subject) if self._filtered else ():
            if lane not in free:
                filters.setdefault(lane, set()).add(condition)
        forks: dict[str, _Fork] = {}
        for lane in (*free, *filters):
            fork = forks.get(lane.name)
            if fork is None:
                fork = forks[lane.name] = _Fork(lane.dialect)
            if lane in filters:
                fork.under.setdefault(frozenset(filters[lane]), []).extend(lane.pens)
            else:
                fork.always += lane.pens
        return tuple(fork.route() for fork in forks.values())


class _Fork:
    """Collects the pens of one dialect into a route: those that get a frame always, and under conditions."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.always: list[Pen] = []
        self.under: dict[frozenset[Filter], list[Pen]] = {}

    def route(self) -> Route:
        """Return the route."""
        branches = [Branch(tuple(filters), *_ends(pens)) for filters, pens in self.under.items()]
        return Route(self._dialect, *_ends(self.always), tuple(branches))


def _ends(pens: list[Pen]) -> tuple[tuple[Callable[[Parcel], None], ...], tuple[Cohort, ...]]:
    return tuple([pen.pending.append for pen in pens]), tuple(dict.fromkeys([pen.cohort for pen in pens]))


def _nobody_minds(_added: Collection[str], _removed: Collection[str]) -> None:
    """Do nothing."""
