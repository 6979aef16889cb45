"""One watch at work on one stream: judges each message, in order. Pure."""

from __future__ import annotations

from enum import StrEnum
from hashlib import blake2b
from typing import Final

from alert_bridge.rules.model import Watch
from alert_bridge.watch.heard import Heard
from alert_bridge.watch.restraint import Ceiling, Cooldown
from alert_bridge.watch.words import AT, KEY, alert_of, summary_of
from baleen_bus.patterns import covers
from baleen_contracts.alert import Alert

_REMEMBERED: Final = 50_000


class Verdict(StrEnum):
    """What became of a message that matched; a closed list, and a metric label."""

    TOLD = "told"
    COOLDOWN = "cooldown"
    CEILING = "ceiling"


class Sentry:
    """Stands for *watch*. What has a number up to ``since`` is none of its business.

    ``cooldown`` is shared by those that stand for the same watch on other streams.
    """

    def __init__(self, watch: Watch, *, since: int, cooldown: Cooldown | None, most: int) -> None:
        self.watch = watch
        self.since = since
        self.cooldown = cooldown
        self._matches = watch.where.matches if watch.where is not None else None
        self._ceiling = Ceiling(most)

    def judge(self, heard: Heard) -> tuple[Verdict, Alert | None] | None:
        """What is to be said of a message under one of its subjects; None if it is not meant."""
        if heard.seq <= self.since or (self._matches is not None and not self._matches(heard.body)):
            return None
        at = heard.stored_at.timestamp()
        key = None
        if self.cooldown is not None:
            key = self.cooldown.key(heard.body)
            if not self.cooldown.allows(key, at):
                return Verdict.COOLDOWN, None
        if not self._ceiling.allows(at):
            return Verdict.CEILING, None
        if self.cooldown is not None and key is not None:
            self.cooldown.spoke(key, at)
        return Verdict.TOLD, alert_of(self.watch, heard, key=key)

    def summaries(self, at: float, place: str) -> list[Alert]:
        """What is to be said at this time of what was above the ceiling."""
        most = self._ceiling.most
        return [
            summary_of(self.watch, above, most=most, place=place) for above in self._ceiling.summaries(at)
        ]

    def remember(self, alert: Alert, place: str) -> None:
        """An alert of this watch was found on the bus: its message, and all before it, were judged.

        ``place``: how the places of the stream begin.
        """
        key = alert.labels.get(KEY)
        if self.cooldown is not None and key is not None:
            self.cooldown.spoke(key, alert.received_at.timestamp())
        at = alert.labels.get(AT, "")
        number = at.removeprefix(place)
        if number != at and number.isdecimal():
            self.since = max(self.since, int(number))


class Sentries:
    """All watches of one stream, found by subject."""

    def __init__(self) -> None:
        self.standing: tuple[Sentry, ...] = ()
        self._by_subject: dict[str, tuple[Sentry, ...]] = {}

    def set(self, standing: tuple[Sentry, ...]) -> None:
        """Let these stand from now on."""
        self.standing = standing
        self._by_subject = {}

    def under(self, subject: str) -> tuple[Sentry, ...]:
        """Those that look for messages under *subject*."""
        found = self._by_subject.get(subject)
        if found is None:
            found = tuple(sentry for sentry in self.standing if covers(sentry.watch.subject, subject))
            if len(self._by_subject) >= _REMEMBERED:
                self._by_subject.clear()
            self._by_subject[subject] = found
        return found


def mark_of(watch: Watch) -> str:
    """A short word for a watch, that changes when it looks for something else."""
    where = watch.where.text if watch.where is not None else ""
    said = f"{watch.name}\n{watch.subject}\n{where}"
    return blake2b(said.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
