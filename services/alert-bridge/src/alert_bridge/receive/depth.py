"""How deep a request is nested, so that whoever reads the alert can read all of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from alert_bridge.errors import Invalid, Problem
from baleen_contracts.fields import MAX_DEPTH

_INNER = (dict, list)


def refuse_deep(said: Mapping[str, Any]) -> None:
    """Let *said* pass if it has at most 64 levels of objects and lists, itself the first.

    An alert is never deeper than its request, and so it fits whole into the free data of another message.

    Raises:
        Invalid: it has more; the problem names the field.
    """
    if is_surely_shallow(said):
        return
    for name, value in said.items():
        if _is_deeper(value, MAX_DEPTH - 1):
            raise Invalid([Problem(name, f"nested deeper than {MAX_DEPTH} levels")])


def is_surely_shallow(value: Any) -> bool:
    """Whether *value* is JSON that any reader can read, with at most 64 brackets and so no more levels.

    It is for nearly everything that is sent, and costs a tenth of walking through it. No means nothing.
    """
    try:
        written = orjson.dumps(value)
    except orjson.JSONEncodeError:
        return False
    return written.count(b"{") + written.count(b"[") <= MAX_DEPTH


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether *value* has more than *levels*; goes level by level, so that no depth can hurt it."""
    level = [value] if isinstance(value, _INNER) else []
    for _ in range(levels):
        if not level:
            return False
        level = [item for outer in level for item in _inside(outer) if isinstance(item, _INNER)]
    return bool(level)


def _inside(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value
