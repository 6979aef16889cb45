"""The kinds of value in a rules file: durations, times of day, zones, names, keys, filters. Pure.

Each reads a text and raises ValueError with a sentence that says what was expected.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from datetime import time
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, PlainValidator

from alert_bridge.rules.seen import KEYS, LABELS
from baleen_contracts.alert import Alert
from baleen_filters import FieldType, Filter, compile_filter, fields_of

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_DURATION: Final = re.compile(r"(?:\d{1,9}(?:\.\d{1,3})?[smhd])+", re.ASCII)
_PART: Final = re.compile(r"([\d.]+)([smhd])", re.ASCII)
_TIME: Final = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)", re.ASCII)
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHORT_DAY: Final = 3
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
_MAX_KEYS: Final = 8
ALERT_FIELDS: Final[dict[str, FieldType]] = fields_of([Alert])


def seconds(said: Any) -> float:
    """Seconds of a duration such as ``90s``, ``5m``, ``1h30m``."""
    if not isinstance(said, str) or _DURATION.fullmatch(said) is None:
        raise ValueError("expected a duration with its unit, such as 30s, 5m, 2h or 1d")
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(said))


def _up_to(most: float, spelt: str, said: Any) -> float:
    found = seconds(said)
    if not 0 < found <= most:
        raise ValueError(f"expected more than nothing, and at most {spelt}")
    return found


def time_of_day(said: Any) -> time:
    """A time of day, ``00:00`` to ``24:00``; the last is the next midnight, which is written the same."""
    found = _TIME.fullmatch(said) if isinstance(said, str) else None
    if found is None or (found[1] == "24" and found[2] != "00"):
        raise ValueError('expected a time of day, such as "22:00"')
    return time(int(found[1]) % 24, int(found[2]))


def zone(said: Any) -> ZoneInfo:
    """A time zone by its name in the tz database."""
    if isinstance(said, str) and said.isascii():
        try:
            return ZoneInfo(said)
        except (KeyError, ValueError, OSError):  # OSError: the name of a folder of zones
            pass
    close = nearest(said, available_timezones()) if isinstance(said, str) else None
    raise ValueError(f"no time zone is called so; did you mean {close or 'America/New_York'}?")


def days(said: Any) -> frozenset[int]:
    """Days of the week, 0 for Monday, by their English names or the first three letters."""
    wanted = said if isinstance(said, list) else [said]
    found = {_day(one) for one in wanted}
    if not found:
        raise ValueError("expected at least one day; leave it out for all days")
    return frozenset(found)


def _day(said: Any) -> int:
    if isinstance(said, str) and len(said) >= _SHORT_DAY:
        for number, day in enumerate(_DAYS):
            if said.lower() in (day, day[:_SHORT_DAY]):
                return number
    raise ValueError("expected days such as mon, tue or sunday")


def names(said: Any) -> tuple[str, ...]:
    """One name or a list of them."""
    wanted = said if isinstance(said, list) else [said]
    if not wanted or not all(isinstance(one, str) and one.strip() for one in wanted):
        raise ValueError("expected a name or a list of names")
    return tuple(wanted)


def name(said: Any) -> str:
    """What a destination is called."""
    if not isinstance(said, str) or _NAME.fullmatch(said) is None:
        raise ValueError("expected a name of small letters, digits, - and _, of at most 64 characters")
    return said


def keys(said: Any) -> tuple[str, ...]:
    """Keys of an alert: its fields, ``labels.`` and a name, or ``headline``."""
    wanted = names(said)
    for key in wanted:
        if key not in KEYS and not (key.startswith(LABELS) and len(key) > len(LABELS)):
            raise ValueError(f"no alert has the key {key[:64]!r}{meant(key, KEYS)}")
    if len(wanted) > _MAX_KEYS:
        raise ValueError(f"at most {_MAX_KEYS} keys")
    return tuple(dict.fromkeys(wanted))


def alert_filter(said: Any) -> Filter:
    """A filter over the fields of an alert."""
    return filter_over(said, ALERT_FIELDS)


def filter_over(said: Any, fields: dict[str, FieldType]) -> Filter:
    """A filter over these fields; the error names the column."""
    if not isinstance(said, str):
        raise ValueError("expected a filter, such as: premium >= 100000")  # noqa: TRY004 - see the module
    return compile_filter(said, fields)


def nearest(wrong: str, known: Iterable[str]) -> str | None:
    """The known name most like a wrong one; None if none is like it."""
    by_lower = {one.lower(): one for one in sorted(known)}
    found = difflib.get_close_matches(wrong[:64].lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[found[0]] if found else None


def meant(wrong: str, known: Iterable[str]) -> str:
    """The end of a sentence about a wrong name: what was meant, or else what there is."""
    there = sorted(known)
    close = nearest(wrong, there)
    return f"; did you mean {close}?" if close else f"; there are {', '.join(there) or 'none'}"


Duration = Annotated[float, PlainValidator(lambda said: _up_to(7 * _UNITS["d"], "7d", said))]
"""Seconds, up to seven days: as long as alerts are kept."""
Wait = Annotated[float, PlainValidator(lambda said: _up_to(_UNITS["h"], "1h", said))]
"""Seconds that something may be held back."""
TimeOfDay = Annotated[time, PlainValidator(time_of_day)]
Zone = Annotated[ZoneInfo, PlainValidator(zone)]
Days = Annotated[frozenset[int], PlainValidator(days)]
NameList = Annotated[tuple[str, ...], PlainValidator(names)]
Keys = Annotated[tuple[str, ...], PlainValidator(keys)]
AlertFilter = Annotated[Filter, PlainValidator(alert_filter)]
Title = Annotated[str, Field(min_length=1, max_length=200)]
