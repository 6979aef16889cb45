"""The captured frames and rows: loading them, and making them happen now.

The files under `samples/` are the official documentation's examples and public live captures; files whose
name starts with an underscore describe behaviour instead of data. `restamp` is pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import orjson

TIME_KEYS = ("executed_at", "timestamp", "tape_time", "time", "created_at", "end_time", "start_time")
"""Where an upstream record keeps its moment, the best witness first."""

ID_KEYS = ("id",)
_ISO = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z$")
_WINDOW = 300  # seconds; interval_flow windows lie on a five-minute grid


def socket_frames() -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Return the captured socket frames, by file name without its ending: (joined channel, payload)."""
    folder = files(__package__) / "samples" / "ws"
    return {
        entry.name.removesuffix(".json"): [
            (name, payload) for name, payload in orjson.loads(entry.read_bytes())
        ]
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".json") and not entry.name.startswith("_")
    }


def rest_body(name: str) -> Any:
    """Return a captured REST body, such as ``alerts.live`` or ``_errors``.

    Raises:
        FileNotFoundError: there is no such sample.
    """
    return orjson.loads((files(__package__) / "samples" / "rest" / f"{name}.json").read_bytes())


def restamp(
    payload: dict[str, Any], *, now_ms: int, fresh: Callable[[str], str], base_ms: int | None = None
) -> dict[str, Any]:
    """Return *payload* as if it happened at *now_ms*: times shifted alike, identities made anew.

    Args:
        payload: an upstream record.
        now_ms: the present, epoch milliseconds.
        fresh: gives the new identity for an old one; the same answer for the same question within one loop.
        base_ms: what *now_ms* corresponds to in the record's own time; by default the record's own moment.
    """
    base = base_ms if base_ms is not None else moment_ms(payload)
    shift = 0 if base is None else now_ms - base
    if all(value % 1000 == 0 for value in _millis(payload)):
        shift -= shift % 1000  # a feed that speaks in whole seconds goes on doing so
    moved = {key: _moved(key, value, shift, now_ms, fresh) for key, value in payload.items()}
    if "interval_type" in moved and isinstance(moved.get("start_time"), str):
        moved["start_time"] = _on_the_grid(moved["start_time"])
    return moved


def moment_ms(payload: dict[str, Any]) -> int | None:
    """Return when the record happened, epoch milliseconds, or None if it carries a date at most."""
    for key in TIME_KEYS:
        value = payload.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, str) and (match := _ISO.match(value)):
            fraction = (match[2] or "0").ljust(6, "0")
            at = datetime.fromisoformat(match[1]).replace(tzinfo=UTC, microsecond=int(fraction))
            return round(at.timestamp() * 1000)
    return None


def iso(at_ms: int, digits: int = 0) -> str:
    """Return epoch milliseconds as ISO-8601 with ``Z`` and *digits* (0, 3 or 6) decimals of a second."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S") + (f".{at.microsecond:06d}"[: digits + 1] if digits else "") + "Z"


def _millis(payload: dict[str, Any]) -> list[int]:
    return [value for key in TIME_KEYS if type(value := payload.get(key)) is int]


def _moved(key: str, value: Any, shift: int, now_ms: int, fresh: Callable[[str], str]) -> Any:
    if key in ID_KEYS and isinstance(value, str):
        return fresh(value)
    if key == "trade_ids" and isinstance(value, list):
        return [fresh(old) for old in value]
    if key in TIME_KEYS and type(value) is int:
        return value + shift
    if key == "date" and isinstance(value, str):
        return iso(now_ms)[:10]
    if isinstance(value, str) and (match := _ISO.match(value)):
        digits = len(match[2] or "")
        old = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
        old += timedelta(microseconds=int((match[2] or "0").ljust(6, "0")))
        moved = old + timedelta(milliseconds=shift)
        return (
            moved.strftime("%Y-%m-%dT%H:%M:%S")
            + (f".{moved.microsecond:06d}"[: digits + 1] if digits else "")
            + "Z"
        )
    return value


def _on_the_grid(start: str) -> str:
    at = datetime.fromisoformat(start).timestamp()
    return iso(int(at - at % _WINDOW) * 1000)
