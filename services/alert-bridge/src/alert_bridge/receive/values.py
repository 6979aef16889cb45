"""What senders mean by the values they send: texts, severities, times, ids, and where to find them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from alert_bridge.receive.source import Source
from baleen_contracts.alert import Severity
from baleen_contracts.message import digest

MARK = "…"
"""Ends a text that was cut to what an alert holds; the whole is then among the labels."""
LONGEST = {
    "title": 1_000,
    "content": 20_000,
    "url": 2_000,
    "symbol": 64,
    "alert_type": 64,
    "source": 200,
    "severity": 64,
}

_ID = re.compile(r"[!-~]{1,200}")
_FIRST_MS, _FIRST_US, _FIRST_NS = 1e11, 1e14, 1e17  # what is beyond counts finer than seconds
_SEVERITIES = {
    Severity.DEBUG: ("debug", "trace", "verbose"),
    Severity.INFO: ("info", "information", "informational", "notice", "normal", "ok", "success", "low"),
    Severity.WARNING: ("warning", "warn", "medium", "moderate", "minor"),
    Severity.ERROR: ("error", "err", "high", "major", "failure", "failed"),
    Severity.CRITICAL: ("critical", "crit", "fatal", "emergency", "emerg", "alert", "panic", "page"),
}
_SEVERITY = {word: severity for severity, words in _SEVERITIES.items() for word in words}


def as_text(value: Any) -> str:
    """*value* as a label or a text holds it: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def plain_text(value: Any) -> str | None:
    """*value* if it is a text that says something, or a number as text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = value if isinstance(value, str) else as_text(value)
    return text if text.strip() else None


def severity_of(value: Any) -> str | None:
    """The severity that a word means; a word that is not known stays as it is."""
    word = plain_text(value)
    if word is None:
        return None
    word = word.strip().lower()
    return _SEVERITY.get(word, word)


def moment_of(value: Any) -> datetime | None:
    """The time that *value* means: ISO-8601 with a zone, or a count since 1970 in seconds or finer."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            said = datetime.fromisoformat(value.strip())
            return said.astimezone(UTC) if said.tzinfo is not None else None
        except (ValueError, OverflowError):
            pass
        try:
            value = float(value)
        except ValueError:
            return None
    if not isinstance(value, int | float) or not value >= 0:
        return None
    for first, parts in ((_FIRST_NS, 1e9), (_FIRST_US, 1e6), (_FIRST_MS, 1e3)):
        if value >= first:
            value = value / parts
            break
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def id_of(value: Any) -> str | None:
    """*value* as an id: as it is where it has the form of one, else a digest of it."""
    text = plain_text(value)
    if text is None:
        return None
    return text if _ID.fullmatch(text) else digest(text)


def found_in(said: Mapping[str, Any], path: str) -> Any:
    """What *said* has at *path*, names and places of lists with dots between them; None without it.

    A name that holds dots itself is found where it stands whole.
    """
    if path in said:
        return said[path]
    here: Any = said
    for name in path.split("."):
        if isinstance(here, Mapping):
            here = here.get(name)
        elif isinstance(here, list | tuple) and name.isascii() and name.isdigit() and len(name) < 6:  # noqa: PLR2004 - no list is longer
            here = here[int(name)] if int(name) < len(here) else None
        else:
            return None
    return here


def mapped(said: Mapping[str, Any], sender: Source | None) -> dict[str, Any]:
    """The fields that *sender* says where to find, as far as they are there."""
    if sender is None or not sender.fields:
        return {}
    found = {name: read(name, found_in(said, path)) for name, path in sender.fields.items()}
    return {name: value for name, value in found.items() if value is not None}


def read(name: str, value: Any) -> Any:
    """*value* as the field *name* of an alert; None where it cannot be one."""
    if name == "severity":
        return severity_of(value)
    if name == "occurred_at":
        return moment_of(value)
    return id_of(value) if name == "id" else plain_text(value)


def fitted(fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """*fields* cut to what an alert holds, with a mark, and the names of those that were cut."""
    fits, cut = dict(fields), []
    for name, most in LONGEST.items():
        text = fits.get(name)
        if isinstance(text, str) and len(text) > most:
            fits[name] = text[: most - len(MARK)] + MARK
            cut.append(name)
    return fits, cut
