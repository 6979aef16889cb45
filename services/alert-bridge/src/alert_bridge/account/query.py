"""Reads the query of a page of history, strictly: what it says wrong is named. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from alert_bridge.account.wanted import MOST, USUAL, Filters, Since, Wanted, WantedDead
from alert_bridge.errors import Invalid, Problem
from baleen_contracts.alert import Severity

_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)([smhd])")
_NUMBER: Final = re.compile(r"\d{1,18}")
_MOST_NAMES: Final = 50
_LONGEST: Final = 200


def read_wanted(query: Sequence[tuple[str, str]], *, now: datetime) -> Wanted:
    """The page that a query asks for.

    A name may be given several times, or several with commas between them: any of them fits.

    Args:
        query: the names and values of the query, in their order.
        now: from where durations count back.

    Raises:
        Invalid: a value makes no sense, or there is no such name; each is named.
    """
    said = _grouped(query, ("since", "limit", "type", "source", "symbol", "severity", "q"))
    problems: list[Problem] = []
    wanted = Wanted(
        since=_since(_last(said, "since"), now, problems),
        limit=_limit(_last(said, "limit"), problems),
        filters=Filters(
            types=_names(said, "type", problems),
            sources=_names(said, "source", problems),
            symbols=_names(said, "symbol", problems),
            severity=_severity(_last(said, "severity"), problems),
            text=_text(_last(said, "q"), problems),
        ),
    )
    if problems:
        raise Invalid(problems)
    return wanted


def read_wanted_dead(query: Sequence[tuple[str, str]], *, now: datetime) -> WantedDead:
    """The page of dead letters that a query asks for; see `read_wanted`.

    Raises:
        Invalid: a value makes no sense, or there is no such name; each is named.
    """
    said = _grouped(query, ("destination", "since", "limit"))
    problems: list[Problem] = []
    name = _last(said, "destination")
    wanted = WantedDead(
        destination=name.lower() or None,
        since=_since(_last(said, "since"), now, problems),
        limit=_limit(_last(said, "limit"), problems),
    )
    if problems:
        raise Invalid(problems)
    return wanted


def _grouped(query: Iterable[tuple[str, str]], known: Sequence[str]) -> dict[str, list[str]]:
    said: dict[str, list[str]] = {}
    for name, value in query:
        if name not in known:
            raise Invalid(
                [Problem(name[:_LONGEST], f"there is no such parameter; there are {', '.join(known)}")]
            )
        said.setdefault(name, []).append(value)
    return said


def _last(said: Mapping[str, list[str]], name: str) -> str:
    return said[name][-1].strip() if name in said else ""


def _since(text: str, now: datetime, problems: list[Problem]) -> Since:
    if not text:
        return None
    if _NUMBER.fullmatch(text):
        return int(text)
    if found := _DURATION.fullmatch(text.lower()):
        seconds = float(found[1]) * _SECONDS[found[2]]
        return now - timedelta(seconds=min(seconds, now.timestamp()))
    # A plus that is not escaped is a space in a query: 12:00:00+01:00 comes as 12:00:00 01:00.
    for spelt in (text, "+".join(text.rsplit(" ", 1))):
        try:
            moment = datetime.fromisoformat(spelt.upper())
        except ValueError:
            continue
        if moment.tzinfo is None:
            problems.append(Problem("since", f"the time needs a zone: {_without_zone(moment)}Z for UTC"))
            return None
        return _utc(moment, problems)
    problems.append(
        Problem(
            "since", "a time such as 2026-04-27T14:31:02Z, a number of the stream, or a duration such as 2h"
        )
    )
    return None


def _without_zone(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _utc(moment: datetime, problems: list[Problem]) -> datetime | None:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        problems.append(
            Problem("since", "the time is before the first or after the last day of the calendar")
        )
        return None


def _limit(text: str, problems: list[Problem]) -> int:
    if not text:
        return USUAL
    if _NUMBER.fullmatch(text) and 1 <= int(text) <= MOST:
        return int(text)
    problems.append(Problem("limit", f"a whole number from 1 to {MOST}"))
    return USUAL


def _names(said: Mapping[str, list[str]], name: str, problems: list[Problem]) -> frozenset[str]:
    parts = [part.strip().casefold() for value in said.get(name, ()) for part in value.split(",")]
    names = frozenset(part for part in parts if part)
    if len(names) > _MOST_NAMES or any(len(part) > _LONGEST for part in names):
        problems.append(Problem(name, f"at most {_MOST_NAMES} names of at most {_LONGEST} characters"))
        return frozenset()
    return names


def _severity(text: str, problems: list[Problem]) -> Severity | None:
    if not text:
        return None
    try:
        return Severity(text.lower())
    except ValueError:
        problems.append(Problem("severity", f"one of {', '.join(Severity)}"))
        return None


def _text(text: str, problems: list[Problem]) -> str:
    if len(text) > _LONGEST:
        problems.append(Problem("q", f"at most {_LONGEST} characters"))
        return ""
    return text.casefold()
