"""When quiet hours begin and end, on the clock of a place that also changes its clock. Pure.

A time of day means the first moment at which the clock of the place shows it or a later one. So hours that
are skipped in spring begin with the jump, and those that come twice in autumn begin and end at their first
coming: one night is one period.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from alert_bridge.rules.model import Quiet

_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)
_WEEK: Final = 7
_EARLIEST: Final = datetime(1971, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9990, 1, 1, tzinfo=UTC)

Period = tuple[datetime, datetime]


def reckonable(moment: datetime) -> datetime:
    """The moment, or the nearest one from which times of day can be reckoned everywhere.

    A publisher may say any time, the first and last of the calendar too.
    """
    return min(max(moment, _EARLIEST), _LATEST)


def quiet_until(quiet: Quiet, now: datetime) -> datetime | None:
    """The end of the quiet hours that *now* is in, in UTC; None outside them.

    Hours that begin as the last ones end are one stretch.
    """
    today = now.astimezone(quiet.zone).date()
    until = _end(quiet, today, now)
    for _ in range(_WEEK):
        further = None if until is None else _end(quiet, until.astimezone(quiet.zone).date(), until)
        if further is None:
            break
        until = further
    return until


def longest_stretch(quiet: Quiet) -> timedelta:
    """The longest that it stays quiet at a time: on a clock that is never put back, which adds an hour."""
    begin, end = (timedelta(hours=at.hour, minutes=at.minute) for at in (quiet.begin, quiet.end))
    length = end - begin + (_DAY if end <= begin else timedelta())
    longest = stretch = timedelta()
    for day in range(2 * _WEEK):
        touches = length == _DAY and (day - 1) % _WEEK in quiet.days
        if day % _WEEK in quiet.days:
            stretch = stretch + length if touches else length
            longest = max(longest, stretch)
    return min(longest, _WEEK * _DAY)


def first_moment(zone: ZoneInfo, day: date, at: time) -> datetime:
    """The first moment, in UTC, at which the place's clock shows that time of that day or a later one."""
    shown = datetime.combine(day, at)
    moment = shown.replace(tzinfo=zone).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == shown:
        return moment
    return _jump(zone, shown.replace(tzinfo=zone, fold=1).astimezone(UTC), moment)


def _end(quiet: Quiet, today: date, now: datetime) -> datetime | None:
    ends = [end for begin, end in _periods(quiet, today) if begin <= now < end]
    return max(ends, default=None)


@lru_cache(maxsize=256)
def _periods(quiet: Quiet, today: date) -> tuple[Period, ...]:
    """The periods that can hold a moment of *today*.

    Tomorrow's too: where clocks are set back over midnight, it has already begun once.
    """
    over_midnight = _DAY if quiet.end <= quiet.begin else timedelta()
    return tuple(
        (
            first_moment(quiet.zone, day, quiet.begin),
            first_moment(quiet.zone, day + over_midnight, quiet.end),
        )
        for day in (today + _DAY * away for away in (-2, -1, 0, 1))
        if day.weekday() in quiet.days
    )


def _jump(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The second at which the clock of the place is put forward, between these two."""
    offset = before.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) // _SECOND // 2 * _SECOND
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after
