"""The rules as they are once read and found sound: who is told, under which conditions. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from zoneinfo import ZoneInfo

from alert_bridge.destinations.spec import Spec
from alert_bridge.rules.names import Names
from alert_bridge.rules.seen import Seen, rank_of
from baleen_contracts.alert import Severity
from baleen_filters import Filter


@dataclass(frozen=True, slots=True)
class Match:
    """Which alerts are meant; all that is given must fit, and nothing given fits all.

    Types, sources and symbols may hold ``*``; case does not matter. ``severity`` is the least one, and an
    alert without a severity, or with one that is not known, counts as ``info``. ``where`` is a filter over
    the fields of an alert.
    """

    types: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    severity: Severity | None = None
    where: Filter | None = None
    _types: Names | None = field(init=False, repr=False, compare=False)
    _sources: Names | None = field(init=False, repr=False, compare=False)
    _symbols: Names | None = field(init=False, repr=False, compare=False)
    _rank: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Makes ready what every alert is asked."""
        for made, written in (
            ("_types", self.types),
            ("_sources", self.sources),
            ("_symbols", self.symbols),
        ):
            object.__setattr__(self, made, Names(written) if written else None)
        object.__setattr__(self, "_rank", 0 if self.severity is None else rank_of(self.severity))

    def misfit(self, seen: Seen) -> str | None:
        """The name of the first condition that does not fit; None if the alert is meant."""
        if self._types is not None and seen.alert_type not in self._types:
            return "types"
        if self._sources is not None and seen.source not in self._sources:
            return "sources"
        if self._symbols is not None and (seen.symbol is None or seen.symbol not in self._symbols):
            return "symbols"
        if seen.rank < self._rank:
            return "severity"
        if self.where is not None and not self.where.matches(seen.plain):
            return "where"
        return None


@dataclass(frozen=True, slots=True)
class Once:
    """At most one alert of equal keys within ``seconds``; the keys are fields of an alert."""

    by: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours without alerts, on the clock of a place; ``begin`` after ``end`` goes over midnight."""

    zone: ZoneInfo
    begin: time
    end: time
    days: frozenset[int] = frozenset(range(7))
    """On which a period begins: 0 is Monday."""
    unless: Severity | None = None
    """Alerts of at least this severity come through."""
    hold: bool = False
    """Keep them until the hours end, instead of suppressing them."""


@dataclass(frozen=True, slots=True)
class Group:
    """One digest of all alerts of equal keys within ``seconds`` of the first, or of ``most`` if sooner."""

    by: tuple[str, ...]
    seconds: float
    most: int


@dataclass(frozen=True, slots=True)
class Route:
    """Which alerts go to which destinations, and what quiets them. ``name`` is unique."""

    name: str
    match: Match
    to: frozenset[str]
    dedupe: Once | None = None
    cooldown: Once | None = None
    quiet: Quiet | None = None
    group: Group | None = None
    goes_on: bool = False
    """Later routes are looked at too; a destination is told by the first route that leads there."""


@dataclass(frozen=True, slots=True)
class Mute:
    """Alerts that nobody is told of until a moment, or for good."""

    name: str
    match: Match
    until: datetime | None = None
    to: frozenset[str] | None = None
    """Only these destinations; all without."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Messages of the bus that become alerts: a public subject or wildcard, and which of its messages.

    ``title`` may name fields of the message in braces.
    """

    name: str
    subject: str
    where: Filter | None
    alert_type: str
    title: str
    severity: Severity | None = None
    cooldown: Once | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything a rules file says. ``version`` is a digest of the file, by which reloads are told apart."""

    version: str = "none"
    destinations: Mapping[str, Spec] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    mutes: tuple[Mute, ...] = ()
    watches: tuple[Watch, ...] = ()
    warnings: tuple[str, ...] = ()
    """What is allowed and yet hardly meant, a line each."""
