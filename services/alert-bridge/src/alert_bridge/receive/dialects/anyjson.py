"""Any JSON object, or a text: fields by the names that most programs use, and the original whole. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alert_bridge.errors import Empty, Unreadable
from alert_bridge.receive.shape import BridgedAlert
from alert_bridge.receive.told import Told
from alert_bridge.receive.values import LONGEST, as_text, id_of, mapped, read
from baleen_contracts.message import digest

RAW = "raw"
"""The label that holds the body as it came."""

_NAMES: Mapping[str, tuple[str, ...]] = {
    "alert_type": ("alert_type",),
    "source": ("source",),
    "title": ("title", "subject", "summary"),
    "content": ("message", "text", "body", "content", "description"),
    "severity": ("severity", "level", "priority"),
    "symbol": ("symbol", "ticker"),
    "url": ("url", "link"),
    "occurred_at": ("occurred_at", "timestamp", "time", "ts"),
    "id": ("id", "dedup_key", "fingerprint"),
}
_SIMPLE = (str, int, float, bool)


def read_any(told: Told) -> list[BridgedAlert]:
    """One alert of a JSON object, whatever its fields are called, or of a text.

    Raises:
        Unreadable: it is neither.
        Empty: it says nothing.
        Invalid: it is nested too deep.
    """
    if not told.body.lstrip().startswith((b"{", b"[")):
        return [read_text(told)]
    said = told.json()
    if not isinstance(said, dict):
        raise Unreadable("the body must be one JSON object, or a text")
    return [alert_of(told, said)]


def read_text(told: Told) -> BridgedAlert:
    """The alert of a body that is a text."""
    text = told.text()
    return told.alert({"content": text}, {RAW: text} if len(text) > LONGEST["content"] else {})


def alert_of(told: Told, said: Mapping[str, Any], **fields: Any) -> BridgedAlert:
    """The alert of the object *said*; *fields* go before what it says.

    Raises:
        Empty: the object is empty.
        Invalid: a field is not what an alert has there.
    """
    if not any(value is not None for value in said.values()):
        raise Empty("the object says nothing")
    raw = told.text()
    usual = _usual(said)
    if "id" in usual:  # may name a thing, of which more than one message tells
        usual["id"] = id_of(f"{usual['id']}:{digest(raw)}")
    found = {**usual, **mapped(said, told.sender), **fields}
    if "title" not in found and "content" not in found:
        found["content"] = raw
    return told.alert(found, {**_simple(said), RAW: raw})


def _usual(said: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that *said* has under one of their usual names, the first that fits."""
    found: dict[str, Any] = {}
    for field, names in _NAMES.items():
        for name in names:
            value = read(field, said.get(name))
            if value is not None:
                found[field] = value
                break
    return found


def _simple(said: Mapping[str, Any]) -> dict[str, str]:
    """The values that rules can look at: the simple ones, and those of its ``labels``."""
    inner = said.get("labels")
    simple = {**said, **(inner if isinstance(inner, dict) else {})}
    return {name: as_text(value) for name, value in simple.items() if isinstance(value, _SIMPLE)}
