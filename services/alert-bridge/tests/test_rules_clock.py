"""When it is quiet, on clocks that are put forward and back."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_bridge.rules.clock import first_moment, longest_stretch, quiet_until
from alert_bridge.rules.model import Quiet

NEW_YORK = ZoneInfo("America/New_York")
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
TURNS = [
    ("America/New_York", "2026-03-08"),  # forward at 2:00
    ("America/New_York", "2026-11-01"),  # back at 2:00
    ("Europe/Berlin", "2026-10-25"),
    ("Australia/Lord_Howe", "2026-04-05"),  # half an hour
    ("America/Havana", "2026-11-01"),  # back at 1:00 to 0:00
    ("America/Sao_Paulo", "2018-02-18"),  # back over midnight
    ("America/Sao_Paulo", "2018-11-04"),  # forward from midnight
    ("America/St_Johns", "2010-11-07"),  # back at 0:01, over midnight
    ("Pacific/Apia", "2011-12-30"),  # a day that never was
    ("Asia/Kolkata", "2026-06-01"),  # no turn
]
times = st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 45, 59]))


def at(text: str) -> datetime:
    """A time with its zone."""
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("zone", "shown", "moment"),
    [
        ("America/New_York", "2026-11-20T22:00", "2026-11-20T22:00-05:00"),
        ("America/New_York", "2026-03-08T02:30", "2026-03-08T03:00-04:00"),
        ("America/New_York", "2026-11-01T01:30", "2026-11-01T01:30-04:00"),
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-31T00:00+14:00"),
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-04T02:30+11:00"),
    ],
)
def test_a_time_of_day_is_the_first_moment_that_shows_it(zone: str, shown: str, moment: str):
    """A skipped one is the jump, one that comes twice is its first coming."""
    day = datetime.fromisoformat(shown)

    assert first_moment(ZoneInfo(zone), day.date(), day.time()) == at(moment)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-11-20T21:59:59-05:00", None),
        ("2026-11-20T22:00:00-05:00", "2026-11-21T06:00-05:00"),
        ("2026-11-21T05:59:59-05:00", "2026-11-21T06:00-05:00"),
        ("2026-11-21T06:00:00-05:00", None),
        ("2026-03-08T00:00:00-05:00", "2026-03-08T06:00-04:00"),  # a night of seven hours
        ("2026-11-01T00:00:00-04:00", "2026-11-01T06:00-05:00"),  # and one of nine
    ],
)
def test_a_night_goes_over_midnight_and_over_a_turn_of_the_clock(now: str, until: str | None):
    """It begins with its first second and ends before its last."""
    found = quiet_until(Quiet(NEW_YORK, time(22), time(6)), at(now))

    assert found == (at(until) if until else None)


def test_days_are_those_on_which_a_period_begins():
    """Friday's night lasts into Saturday morning; Saturday's own begins only if it is named."""
    fridays = Quiet(NEW_YORK, time(22), time(6), frozenset({4}))

    assert quiet_until(fridays, at("2026-11-21T03:00-05:00")) == at("2026-11-21T06:00-05:00")
    assert quiet_until(fridays, at("2026-11-21T23:00-05:00")) is None
    assert quiet_until(fridays, at("2026-11-20T03:00-05:00")) is None


def test_hours_that_touch_are_one_stretch():
    """A quiet weekend ends on Monday, not at its midnight."""
    weekend = Quiet(NEW_YORK, time(0), time(0), frozenset({5, 6}))

    assert quiet_until(weekend, at("2026-11-21T12:00-05:00")) == at("2026-11-23T00:00-05:00")


@pytest.mark.parametrize(
    ("begin", "end", "days", "hours"),
    [
        (22, 6, range(7), 8),
        (22, 22, [5, 6], 48),
        (0, 0, [6, 0, 1], 72),
        (0, 0, [0, 2], 24),
        (9, 17, range(7), 8),
        (0, 0, range(7), 168),
    ],
)
def test_the_longest_stretch_is_what_an_alert_may_be_kept(begin: int, end: int, days: list[int], hours: int):
    """Days that touch are one stretch, over the end of the week too."""
    quiet = Quiet(NEW_YORK, time(begin), time(end), frozenset(days))

    assert longest_stretch(quiet) == timedelta(hours=hours)


@pytest.mark.parametrize(("zone", "day"), TURNS)
@settings(max_examples=40)
@given(
    hours=st.tuples(times, times),
    days=st.sets(st.integers(0, 6), min_size=1, max_size=6),
    minute=st.integers(-1440, 2880),
)
def test_it_is_quiet_as_a_patient_observer_of_the_clock_finds(
    zone: str, day: str, hours: tuple[time, time], days: set[int], minute: int
):
    """Minute by minute around each kind of turn: whoever looks at the clock gets the same answer."""
    quiet = Quiet(ZoneInfo(zone), *hours, frozenset(days))
    now = datetime.fromisoformat(day).replace(tzinfo=UTC) + minute * MINUTE

    found = quiet_until(quiet, now)

    periods = _observed(quiet, datetime.fromisoformat(day).date())
    assert (found is not None) == any(start <= now < stop for start, stop in periods)
    if found is not None:
        assert not any(start <= found < stop for start, stop in periods)


@lru_cache
def _clock(zone: ZoneInfo, day: date) -> list[tuple[datetime, datetime]]:
    """Every minute of the days around, with what the clock shows then."""
    start = datetime.combine(day - 5 * DAY, time(), UTC)
    minutes = (start + number * MINUTE for number in range(16 * 1440))
    return [(minute, minute.astimezone(zone).replace(tzinfo=None)) for minute in minutes]


def _observed(quiet: Quiet, day: date) -> list[tuple[datetime, datetime]]:
    """Every period of the days around, by looking at the clock each minute."""
    clock = _clock(quiet.zone, day)

    def first(wanted: datetime) -> datetime:
        return next(minute for minute, shown in clock if shown >= wanted)

    return [
        (
            first(datetime.combine(begins, quiet.begin)),
            first(datetime.combine(begins + (DAY if quiet.end <= quiet.begin else timedelta()), quiet.end)),
        )
        for begins in (day + away * DAY for away in range(-3, 9))
        if begins.weekday() in quiet.days
    ]
