"""What Discord's answers mean: a verdict, and how long nobody may send. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import orjson

from alert_bridge.destinations.destination import Delivered, Later, Rejected, Stopped, Verdict
from alert_bridge.destinations.discord_limits import LONGEST_PAUSE
from alert_bridge.reasons import Wait

UNKNOWN_MESSAGE = 10008

_LIMITED = {20028, 20029, 40062}
_STOPS = {10015, 50027, 220001, 220002, 220003, 220004, 50083, 160005}
_SHUT_OUT_FIRST, _SHUT_OUT_MOST = 60.0, 900.0  # seconds
_UNTOLD_PAUSE = 5.0  # seconds; a limit that does not say how long
_MOST_DETAIL = 300
_IN_DOUBT = {500, 502, 504, 520, 524}
"""Failures that leave open whether Discord took the message: it broke off, or a gateway gave up on it."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Nobody sends to the channel for so many seconds; nor to this host at all, if ``everywhere``.

    ``shut_out``: not Discord says so, but the network before it.
    """

    seconds: float
    everywhere: bool = False
    shut_out: bool = False


@dataclass(frozen=True, slots=True)
class Meaning:
    """What follows from an answer. ``place``: the channel or thread in which the message stands."""

    verdict: Verdict
    pause: Pause | None = None
    code: int | None = None
    place: str | None = None


def meaning_of(status: int, headers: Mapping[str, str], body: bytes, *, shut_out: int = 0) -> Meaning:
    """What an answer means.

    Args:
        status: of HTTP.
        headers: their names in small letters.
        body: whatever came.
        shut_out: how often in a row the network before Discord turned us away before.
    """
    said = _object(body)
    code = said.get("code") if said and isinstance(said.get("code"), int) else None
    if status < 300:  # noqa: PLR2004 - a success
        return _success(status, said)
    if status == 429 or code in _LIMITED:  # noqa: PLR2004 - too many requests
        return _limited(status, headers, said, shut_out)
    if status == 403 and said is None and "html" in headers.get("content-type", ""):  # noqa: PLR2004
        return _shut_out(status, headers, shut_out)
    return Meaning(_failure(status, headers, _detail(status, said, code), code), code=code)


def _failure(status: int, headers: Mapping[str, str], detail: str, code: int | None) -> Verdict:
    if code in _STOPS or status in {401, 403} or (status == 404 and code != UNKNOWN_MESSAGE):  # noqa: PLR2004
        return Stopped(status, detail)
    if status >= 500 or status == 408:  # noqa: PLR2004 - it may work the next time
        return Later(
            Wait.NO_ANSWER if status in _IN_DOUBT else Wait.SERVER_ERROR, _told(headers), status, detail
        )
    if status < 400:  # noqa: PLR2004 - whoever gave the address must know where it leads
        return Stopped(status, f"{detail}: redirects are not followed")
    return Rejected(status, detail)


def _success(status: int, said: Mapping[str, Any] | None) -> Meaning:
    if said is None and status != 204:  # noqa: PLR2004 - no content
        return Meaning(Later(Wait.NO_ANSWER, status=status, detail="the answer is no message of Discord"))
    said = said or {}
    remote_id, place = said.get("id"), said.get("channel_id")
    return Meaning(
        Delivered(status, remote_id if isinstance(remote_id, str) else None),
        place=place if isinstance(place, str) else None,
    )


def _limited(
    status: int, headers: Mapping[str, str], said: Mapping[str, Any] | None, shut_out: int
) -> Meaning:
    """``retry_after`` of the body is what counts: a shared limit's reset header tells too little."""
    if said is None:
        return _shut_out(status, headers, shut_out)
    seconds = _seconds(said.get("retry_after"))
    if seconds is None:
        seconds = _told(headers)
    if seconds is None:
        seconds = _UNTOLD_PAUSE
    detail = f"rate limited for {seconds:g} s"
    if seconds > LONGEST_PAUSE:
        seconds, detail = LONGEST_PAUSE, f"{detail}, which is hardly meant; trying again after an hour"
    everywhere = said.get("global") is True or headers.get("x-ratelimit-scope") == "global"
    verdict = Later(Wait.RATE_LIMITED, seconds, status, detail, failed=False)
    return Meaning(verdict, Pause(seconds, everywhere))


def _shut_out(status: int, headers: Mapping[str, str], shut_out: int) -> Meaning:
    """A page instead of an answer: the network before Discord has had enough of this address."""
    told = _told(headers)
    longer: float = _SHUT_OUT_FIRST * 2 ** min(shut_out, 10)
    seconds = min(longer, _SHUT_OUT_MOST) if told is None else min(told, LONGEST_PAUSE)
    detail = f"turned away before Discord, without a reason; nothing is sent for {seconds:g} s"
    limited = status == 429  # noqa: PLR2004 - the other is 403
    verdict = Later(
        Wait.RATE_LIMITED if limited else Wait.SERVER_ERROR, seconds, status, detail, failed=not limited
    )
    return Meaning(verdict, Pause(seconds, everywhere=True, shut_out=True))


def _told(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by the headers; the present versions of the API give seconds in both."""
    told = [_seconds(headers.get(name)) for name in ("retry-after", "x-ratelimit-reset-after")]
    return next((seconds for seconds in told if seconds is not None), None)


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if isfinite(seconds) and seconds >= 0 else None


def _detail(status: int, said: Mapping[str, Any] | None, code: int | None) -> str:
    """Discord's own words, which name fields and never an address."""
    if said is None:
        return f"status {status}"
    message = said.get("message")
    parts = [f"status {status}", f"code {code}" if code else "", message if isinstance(message, str) else ""]
    wrong = "; ".join(_wrong(said.get("errors"), ""))
    return ": ".join(filter(None, [*parts, wrong]))[:_MOST_DETAIL]


def _wrong(tree: Any, path: str) -> list[str]:
    """The fields that Discord names in its tree of errors, with its words, the first few."""
    if not isinstance(tree, dict):
        return []
    found: list[str] = []
    for name, branch in tree.items():
        if len(found) >= 5:  # noqa: PLR2004 - enough to act on
            break
        if name == "_errors" and isinstance(branch, list):
            found += [f"{path} {one.get('message', '')}" for one in branch if isinstance(one, dict)]
        else:
            found += _wrong(branch, f"{path}.{name}" if path else str(name))
    return found


def _object(body: bytes) -> Mapping[str, Any] | None:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
