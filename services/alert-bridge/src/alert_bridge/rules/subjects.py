"""What a subject pattern of the bus can bring, and which patterns may be watched. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from baleen_contracts.catalogue import CATALOGUE, Entity
from baleen_filters import FieldType, fields_of

_ONE, _REST = "*", ">"
_LONGEST: Final = 512
_OWN_STREAMS: Final = ("ALERT", "DEAD")
"""Where the bridge itself speaks: a watch over them would hear the alerts it makes."""


def flaw_of(pattern: str) -> str | None:
    """What keeps *pattern* from being watched; None if it may be."""
    tokens = pattern.split(".")
    if not 0 < len(pattern) <= _LONGEST or not pattern.isprintable() or " " in pattern or "" in tokens:
        return "a subject is tokens joined by dots, such as uw.v1.flow_alert.>"
    if _REST in tokens[:-1] or any(len(token) > 1 and (_ONE in token or _REST in token) for token in tokens):
        return "a wildcard is a whole token, and > stands only at the end"
    found = _brought_by(pattern)
    if not found:
        return "no subject of the catalogue fits it"
    own = sorted(entity.name for entity in found if entity.stream in _OWN_STREAMS)
    if own:
        return f"it covers what the bridge itself says ({', '.join(own)}), so a watch could wake itself"
    return None


def fields_under(pattern: str) -> dict[str, FieldType]:
    """The fields of the messages that *pattern* can bring."""
    return fields_of(entity.model for entity in _brought_by(pattern))


@lru_cache(maxsize=256)
def _brought_by(pattern: str) -> tuple[Entity, ...]:
    return tuple(
        entity for entity in CATALOGUE if entity.stream is not None and _overlap(pattern, entity.pattern)
    )


def _overlap(one: str, other: str) -> bool:
    """Whether some subject is meant by both."""
    left, right = one.split("."), other.split(".")
    for mine, theirs in zip(left, right, strict=False):
        if _REST in (mine, theirs):
            return True
        if mine != theirs and _ONE not in (mine, theirs):
            return False
    return len(left) == len(right)
