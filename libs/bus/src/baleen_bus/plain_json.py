"""Makes JSON of whatever Python code holds in its hands: times, numpy's numbers, sets, odd objects. Pure."""

import math
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, time
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from pydantic import JsonValue

from baleen_contracts.fields import MAX_DEPTH

MOST_VALUES: Final = 20_000
"""Values that are read of one object; more is no alert."""

_SMALLEST, _BEYOND = -(2**63), 2**64  # what JSON readers hold, as the contracts have it


class NotPlain(ValueError):  # noqa: N818 - the condition is the name
    """It has too many values to be meant."""


def plain(value: object) -> JsonValue:
    """The JSON nearest to ``value``, which may be anything.

    What is JSON stays as it is. Times become ISO-8601, sets and tuples lists, keys texts, numbers that JSON
    lacks null or text, and an object without a better form what ``str`` makes of it. What is deeper than the
    contracts allow, or holds itself, ends in an ellipsis.

    Raises:
        NotPlain: it holds more than 20,000 values.
    """
    return _Reading().read(value, MAX_DEPTH - 1)


def text(value: object) -> str:
    """What ``str`` makes of it, as Unicode that can travel; never fails."""
    try:
        said = value.value if isinstance(value, Enum) else value
        words = said if isinstance(said, str) else str(said)
        return str.__str__(words).encode("utf-8", "replace").decode()
    except Exception:  # noqa: BLE001 - anybody's __str__ may do anything
        return f"<{type(value).__name__}>"


class _Reading:
    """One object on its way to JSON: counts what it read, and knows what it stands in."""

    def __init__(self) -> None:
        self._left = MOST_VALUES
        self._inside: set[int] = set()

    def read(self, value: object, levels: int) -> JsonValue:
        self._left -= 1
        if self._left < 0:
            raise NotPlain(f"more than {MOST_VALUES} values")
        try:
            return self._read(value, levels)
        except NotPlain:
            raise
        except Exception:  # noqa: BLE001 - anybody's object may do anything when it is looked at
            return f"<{type(value).__name__}>"

    def _read(self, value: object, levels: int) -> JsonValue:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Enum):
            return self.read(value.value, levels)
        if isinstance(value, str):
            return text(value)
        if isinstance(value, int):
            return int(value) if _SMALLEST <= value < _BEYOND else str(value)
        if isinstance(value, float | Decimal):
            number = float(value)
            return number if math.isfinite(number) else None
        return self._odd(value, levels)

    def _odd(self, value: object, levels: int) -> JsonValue:
        if isinstance(value, date | time):
            return value.isoformat()
        if isinstance(value, bytes | bytearray):
            return value.decode("utf-8", "replace")
        if isinstance(value, Mapping | list | tuple | AbstractSet):
            return self._nested(value, levels)
        for way in ("to_dict", "tolist", "item"):  # Discord's objects, numpy's arrays, numpy's numbers
            told = _told(value, way)
            if told is not None and type(told) is not type(value):
                return self.read(told, levels)
        return text(value)

    def _nested(self, value: Mapping[Any, Any] | Iterable[Any], levels: int) -> JsonValue:
        if not levels or id(value) in self._inside:
            return "…"
        self._inside.add(id(value))
        try:
            if isinstance(value, Mapping):
                return {text(key): self.read(item, levels - 1) for key, item in value.items()}
            return [self.read(item, levels - 1) for item in value]
        finally:
            self._inside.discard(id(value))


def _told(value: object, way: str) -> object:
    """What an object's own method says of it; None if it has none, or none that works without arguments."""
    try:
        method: Callable[[], object] | None = getattr(value, way, None)
        return method() if callable(method) and not isinstance(value, type) else None
    except Exception:  # noqa: BLE001 - as in text
        return None
