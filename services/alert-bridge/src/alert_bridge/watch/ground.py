"""Which streams have what the watches look for, and under which patterns there. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from alert_bridge.rules.model import Watch
from baleen_contracts.catalogue import streams

OWN: Final = frozenset({"ALERT", "DEAD"})
"""Where the bridge itself speaks: nothing there is watched, or a watch would wake itself for ever."""

_ONE, _REST = "*", ">"


def ground(watches: Iterable[Watch]) -> dict[str, frozenset[str]]:
    """Each stream that any of the watches needs, with the patterns to follow there."""
    found: dict[str, set[str]] = {}
    for watch in watches:
        for stream, patterns in streams().items():
            if stream in OWN:
                continue
            common = {meet for pattern in patterns if (meet := meeting(watch.subject, pattern)) is not None}
            if common:
                found.setdefault(stream, set()).update(common)
    return {stream: frozenset(patterns) for stream, patterns in found.items()}


def meeting(one: str, other: str) -> str | None:
    """The pattern of the subjects that both patterns match; None if there are none."""
    left, right = one.split("."), other.split(".")
    common: list[str] = []
    for place in range(max(len(left), len(right))):
        mine = left[place] if place < len(left) else ""
        theirs = right[place] if place < len(right) else ""
        if _REST in (mine, theirs):
            if not mine or not theirs:
                return None
            return ".".join([*common, *(right[place:] if mine == _REST else left[place:])])
        if theirs in (mine, _ONE):
            common.append(mine)
        elif mine == _ONE:
            common.append(theirs)
        else:
            return None
        if not common[-1]:
            return None
    return ".".join(common)
