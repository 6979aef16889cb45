"""What a watch says of a message: one alert, the same however often the message is heard. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import ValidationError

from alert_bridge.rules.model import Watch
from alert_bridge.rules.title import figure, filled
from alert_bridge.watch.heard import Heard
from alert_bridge.watch.restraint import Suppressed
from baleen_contracts.alert import Alert, Severity
from baleen_contracts.message import digest
from baleen_contracts.tokens import token

PREFIX: Final = "watch:"
"""How the sources of watches, and the ids of their alerts, begin."""
NAME: Final = "watch.name"
"""The label with the name of the watch."""
AT: Final = "watch.at"
"""The label with the place of the message on the bus."""
KEY: Final = "watch.key"
"""The label with the key of the cooldown that the alert began."""
GAP: Final = "watch_gap"
"""The type of the alert that says that messages were missed."""

_LONGEST_ID: Final = 200
_LONGEST_SOURCE: Final = 200
_LONGEST_TITLE: Final = 256
_MOST_FIELDS: Final = 12
_LONGEST_VALUE: Final = 200
_UNTOLD: Final = frozenset({"id", "rule_id", "occurred_at", "received_at", "recorded_at"})
_COLOURS: Final = {
    Severity.DEBUG: 0x99AAB5,
    Severity.INFO: 0x3498DB,
    Severity.WARNING: 0xF1C40F,
    Severity.ERROR: 0xE67E22,
    Severity.CRITICAL: 0xE74C3C,
}


def source_of(name: str) -> str:
    """What the alerts of the watch of this name carry as their source."""
    return f"{PREFIX}{name}"[:_LONGEST_SOURCE]


def alert_of(watch: Watch, heard: Heard, *, key: str | None) -> Alert:
    """The alert that *watch* makes of a message; ``key`` is that of its cooldown.

    It occurred when the message did, and was received when the stream took that.
    """
    body = heard.body
    title = filled(watch.title, body)[:_LONGEST_TITLE]
    labels = {
        NAME: watch.name,
        "watch.subject": heard.subject,
        "watch.message": heard.id,
        AT: heard.at,
    }
    occurred_at = _time(body.get("occurred_at")) or heard.stored_at
    fields: dict[str, Any] = {
        "id": _id(watch.name, heard.id),
        "alert_type": watch.alert_type,
        "source": source_of(watch.name),
        "symbol": _symbol(body),
        "severity": watch.severity,
        "title": title,
        "embed": _embed(watch, heard, title, occurred_at),
        "labels": labels if key is None else {**labels, KEY: key},
        "occurred_at": occurred_at,
        "received_at": heard.stored_at,
    }
    try:
        return Alert.model_validate(fields)
    except ValidationError:  # some field of a message that no contract bounds
        return Alert.model_validate({**fields, "symbol": None, "embed": None})


def summary_of(watch: Watch, above: Suppressed, *, most: int, place: str) -> Alert:
    """The alert that says how many were above the ceiling. ``place``: how the places of its stream begin."""
    since, until = (datetime.fromtimestamp(moment, UTC) for moment in (above.since, above.until))
    title = f"{watch.name}: {above.alerts:,} more not told one by one"
    said = (
        f"Between {since:%H:%M:%S} and {until:%H:%M:%S} UTC this watch matched {above.alerts:,} messages "
        f"above its ceiling of {most} alerts a second."
    )
    return Alert(
        id=_id(watch.name, f"above:{place}{above.since}:{above.alerts}"),
        alert_type=watch.alert_type,
        source=source_of(watch.name),
        severity=watch.severity,
        title=title[:_LONGEST_TITLE],
        embed={"title": title[:_LONGEST_TITLE], "description": said},
        labels={NAME: watch.name, "watch.above": str(above.alerts)},
        occurred_at=until,
        received_at=until,
    )


def gap_of(stream: str, epoch: str, first: int, last: int, *, reason: str, at: datetime) -> Alert:
    """The alert that says that messages of a stream were missed by the watches."""
    title = f"Watches missed messages of {stream}"
    which = f"Numbers {first:,} to {last:,}" if last else "An unknown number"
    said = f"{which} of its messages were not heard ({reason}); matches among them are not told."
    return Alert(
        id=f"{GAP}:{stream}.{epoch}.{first}-{last}",
        alert_type=GAP,
        source="alert-bridge",
        severity=Severity.WARNING,
        title=title,
        embed={"title": title, "description": said},
        labels={"stream": stream, "reason": reason},
        occurred_at=at,
    )


def _embed(watch: Watch, heard: Heard, title: str, occurred_at: datetime) -> dict[str, Any]:
    fields = [
        {"name": name.replace("_", " "), "value": _shown(value), "inline": True}
        for name, value in _told(heard.body)
    ]
    return {
        "title": title,
        "color": _COLOURS.get(watch.severity or Severity.INFO, _COLOURS[Severity.INFO]),
        "fields": fields,
        "footer": {"text": f"{watch.name} · {heard.subject}"},
        "timestamp": occurred_at.isoformat(),
    }


def _told(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The first fields of a message that hold one value, without ids and times."""
    told = 0
    for name, value in body.items():
        if name in _UNTOLD or name.endswith("_at") or not isinstance(value, str | int | float) or value == "":
            continue
        yield name, value
        told += 1
        if told == _MOST_FIELDS:
            return


def _shown(value: str | float) -> str:
    return value[:_LONGEST_VALUE] if isinstance(value, str) else figure(value)


def _symbol(body: Mapping[str, Any]) -> str | None:
    symbol = body.get("symbol")
    return symbol if isinstance(symbol, str) and symbol else None


def _id(name: str, rest: str) -> str:
    whole = f"{PREFIX}{token(name)}:{rest}"
    if len(whole) <= _LONGEST_ID and whole.isascii() and whole.isprintable() and " " not in whole:
        return whole
    return f"{PREFIX}{digest(name, rest)}"


def _time(written: Any) -> datetime | None:
    try:
        time = datetime.fromisoformat(written)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo is not None else None
