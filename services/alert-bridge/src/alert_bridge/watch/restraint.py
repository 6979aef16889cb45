"""How often a watch may speak: its cooldown, and a ceiling that no storm breaks. Pure.

Times are seconds of the stream's own clock, so that whoever hears the same messages again judges the same.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from alert_bridge.rules.model import Once

MOST_KEYS: Final = 20_000
"""Keys of a cooldown that are remembered; beyond, the one that spoke longest ago is forgotten."""
CEILING: Final = 20
"""Alerts that a watch may make of the messages of one second."""
SUMMED_UP: Final = 60
"""Seconds whose alerts above the ceiling are told of in one summary."""


class Cooldown:
    """At most one alert of equal keys within the seconds that *once* says."""

    def __init__(self, once: Once) -> None:
        self._once = once
        self._spoke: OrderedDict[str, float] = OrderedDict()

    def key(self, message: Mapping[str, Any]) -> str:
        """What *message* has in the fields of the keys, in a few characters."""
        return _digest([_value(message, path) for path in self._once.by])

    def allows(self, key: str, at: float) -> bool:
        """Whether an alert of this key may be made of what was stored at this time."""
        return at >= self._spoke.get(key, float("-inf")) + self._once.seconds

    def spoke(self, key: str, at: float) -> None:
        """An alert of this key was made."""
        self._spoke[key] = at
        self._spoke.move_to_end(key)
        if len(self._spoke) > MOST_KEYS:
            self._spoke.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Suppressed:
    """So many alerts of one stretch of time were more than the ceiling allows."""

    alerts: int
    since: int
    until: int


class Ceiling:
    """At most so many alerts of the messages of one second; those above are counted."""

    def __init__(self, most: int = CEILING) -> None:
        self.most = most
        self._second = 0
        self._in_second = 0
        self._stretch = 0
        self._above = 0
        self._over: list[Suppressed] = []

    def allows(self, at: float) -> bool:
        """Whether one more alert may be made of what was stored at this time; counts it either way."""
        second = int(at)
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        if self._in_second <= self.most:
            return True
        self._close(second // SUMMED_UP)
        self._above += 1
        return False

    def summaries(self, at: float) -> list[Suppressed]:
        """What was above the ceiling in the stretches that are over at this time; each is told once."""
        self._close(int(at) // SUMMED_UP)
        over, self._over = self._over, []
        return over

    def _close(self, stretch: int) -> None:
        """Begin another stretch of time, if it is another."""
        if stretch <= self._stretch and self._above:
            return
        if self._above:
            since = self._stretch * SUMMED_UP
            self._over.append(Suppressed(self._above, since, since + SUMMED_UP))
            self._above = 0
        self._stretch = stretch


def _value(message: Any, path: str) -> Any:
    for name in path.split("."):
        message = message.get(name) if isinstance(message, Mapping) else None
    return message


def _digest(values: list[Any]) -> str:
    text = json.dumps(values, sort_keys=True, default=str)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
