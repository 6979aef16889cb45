"""What may stand in a rules file, part by part, and the rule that each part makes. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from alert_bridge.rules.model import Group, Match, Mute, Once, Quiet, Route
from alert_bridge.rules.values import (
    AlertFilter,
    Days,
    Duration,
    Keys,
    NameList,
    TimeOfDay,
    Title,
    Wait,
    Zone,
)
from baleen_contracts.alert import Severity
from baleen_contracts.fields import Label

_ALL_DAYS = frozenset(range(7))


class Written(BaseModel):
    """A part of a rules file. What is left out, or empty, has its default."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, loc_by_alias=True)


class _Meant(Written):
    """Which alerts are meant."""

    types: NameList = ()
    sources: NameList = ()
    symbols: NameList = ()
    severity: Severity | None = None
    where: AlertFilter | None = None

    @property
    def match(self) -> Match:
        """The conditions."""
        return Match(self.types, self.sources, self.symbols, self.severity, self.where)


class WrittenDedupe(Written):
    """One alert of equal keys within a time; the others say nothing new."""

    by: Keys
    within: Duration


class WrittenCooldown(Written):
    """One alert of equal keys in each stretch of time."""

    by: Keys = ()
    every: Duration


class WrittenQuiet(Written):
    """Hours without alerts."""

    zone: Zone
    begin: TimeOfDay = Field(alias="from")
    until: TimeOfDay
    days: Days = _ALL_DAYS
    unless: Severity | None = None
    then: Literal["hold", "drop"] = "hold"

    @model_validator(mode="after")
    def _ends(self) -> WrittenQuiet:
        if self.begin == self.until and self.days == _ALL_DAYS:
            raise ValueError("these hours never end; a mute keeps alerts away for good")
        return self

    @property
    def quiet(self) -> Quiet:
        """The hours."""
        return Quiet(
            self.zone, self.begin, self.until, self.days, unless=self.unless, hold=self.then == "hold"
        )


class WrittenGroup(Written):
    """Many alerts as one digest."""

    by: Keys = ()
    wait: Wait
    most: Annotated[int, Field(ge=2, le=500)] = 50


class WrittenRoute(_Meant):
    """Which alerts go where. ``to`` is left to the reader, which knows the destinations."""

    name: Title
    to: NameList
    dedupe: WrittenDedupe | None = None
    cooldown: WrittenCooldown | None = None
    quiet: WrittenQuiet | None = None
    group: WrittenGroup | None = None
    go_on: bool = False

    @property
    def route(self) -> Route:
        """The route."""
        return Route(
            self.name,
            self.match,
            frozenset(self.to),
            dedupe=Once(self.dedupe.by, self.dedupe.within) if self.dedupe else None,
            cooldown=Once(self.cooldown.by, self.cooldown.every) if self.cooldown else None,
            quiet=self.quiet.quiet if self.quiet else None,
            group=Group(self.group.by, self.group.wait, self.group.most) if self.group else None,
            goes_on=self.go_on,
        )


class WrittenMute(_Meant):
    """Alerts that nobody is told of."""

    name: Title
    until: AwareDatetime | None = None
    to: NameList | None = None

    @property
    def mute(self) -> Mute:
        """The mute."""
        return Mute(self.name, self.match, self.until, frozenset(self.to) if self.to is not None else None)


class WrittenEvery(Written):
    """How often a watch may speak. The keys are fields of what it hears, which the reader knows."""

    by: NameList = ()
    every: Duration


class WrittenWatch(Written):
    """Messages of the bus that become alerts. What depends on the subject is left to the reader."""

    name: Title
    subject: str
    where: str | None = None
    alert_type: Label
    severity: Severity | None = None
    title: Title
    cooldown: WrittenEvery | None = None
