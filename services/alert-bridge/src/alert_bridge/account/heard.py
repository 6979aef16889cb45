"""What the index keeps of an alert that the stream tells. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import orjson

from alert_bridge.account.wanted import Kind
from alert_bridge.carried import Carried
from alert_bridge.receive.mint import snowflake_of
from baleen_bus import Delivered
from baleen_bus.envelope import header_text
from baleen_contracts.alert import Alert
from baleen_contracts.catalogue import by_name
from baleen_contracts.message import micros

STREAM: Final = "ALERT"
PATTERN: Final = by_name(Alert.entity).pattern
_PREFIX: Final = f"{Alert.entity}:"
_LONGEST: Final = 200


def heard(item: Delivered) -> tuple[int, int, str, int, Kind]:
    """Its number, when the stream took it (microseconds of the epoch), its id, its message id and its kind.

    What has no id of its own goes by the one under which the stream knows it. A body that is no alert is
    kept too, with whatever it has: its number has a fate as any other.
    """
    body = _body(item.body)
    identity = header_text(item.headers.get("Nats-Msg-Id", "")).removeprefix(_PREFIX)
    kind = (
        _word(body.get("alert_type")),
        _word(body.get("source")),
        _word(body.get("symbol")),
        _word(body.get("severity")),
    )
    own = body.get("id")
    alert_id = own if isinstance(own, str) and own else identity
    return (
        item.seq,
        micros(datetime.fromisoformat(item.headers["Nats-Time-Stamp"])),
        alert_id[:_LONGEST],
        int(snowflake_of(identity)),
        kind,
    )


def stored_at(item: Delivered) -> datetime:
    """When the stream took it."""
    return datetime.fromisoformat(item.headers["Nats-Time-Stamp"]).astimezone(UTC)


def carried(item: Delivered) -> Carried | None:
    """The alert in it; None if it is none."""
    try:
        alert = Alert.model_validate_json(item.body)
    except ValueError:
        return None
    return Carried(item.seq, alert, stored_at(item))


def _body(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _word(value: object) -> str:
    return value[:_LONGEST].casefold() if isinstance(value, str) else ""
