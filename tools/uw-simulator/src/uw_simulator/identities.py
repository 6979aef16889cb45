"""The identity under which Baleen publishes what the socket says, where every record counts. Pure.

A test that wants to know whether each record arrived exactly once compares these with the ids on the bus.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from baleen_contracts.message import digest, millis, natural_key

Record = dict[str, Any]

_UUID = 36  # characters


def message_id(channel: str, ticker: str | None, payload: bytes) -> str | None:
    """Return the identity of a record of *channel*; None if the channel's records replace each other.

    A record that lacks what an identity is made of has the identity ``<entity>:?``.
    """
    entity = ENTITIES.get(channel)
    if entity is None:
        return None
    if entity.has_id:
        start = payload.find(b'"id":"') + 6
        if start > 5 and payload[start + _UUID : start + _UUID + 1] == b'"':  # noqa: PLR2004 - found
            return f"{entity.name}:{payload[start : start + _UUID].decode(errors='replace')}"
    try:
        return f"{entity.name}:{entity.identity(orjson.loads(payload), ticker)}"
    except (ValueError, TypeError, KeyError, AttributeError):
        return f"{entity.name}:?"


def _print(row: Record, _ticker: str | None) -> str:
    return natural_key(
        row["symbol"].upper(), int(_moment(row["executed_at"]).timestamp()), float(row["price"]),
        row["size"], _present(row.get("volume")), row.get("trade_code") or "",
        row.get("ext_hour_sold_codes") or "", row.get("sale_cond_codes") or "",
    )  # fmt: skip


def _custom_alert(row: Record, _ticker: str | None) -> str:
    config = row.get("user_noti_config_id") or digest(row["name"], row["noti_type"])
    return natural_key(config, row.get("symbol") or None, _moment(row["tape_time"]))


class _Entity:
    """How the records of one channel are told apart."""

    def __init__(
        self, name: str, identity: Callable[[Record, str | None], str], *, has_id: bool = False
    ) -> None:
        self.name, self.identity, self.has_id = name, identity, has_id


ENTITIES = {
    "option_trades": _Entity("option_trade", lambda row, _: str(row["id"]), has_id=True),
    "flow-alerts": _Entity("flow_alert", lambda row, _: str(row["id"]), has_id=True),
    "off_lit_trades": _Entity("dark_pool", _print),
    "lit_trades": _Entity("lit_trade", _print),
    "market_tide": _Entity("market_tide", lambda row, _: str(millis(_moment(row["timestamp"])))),
    "net_flow": _Entity(
        "net_flow",
        lambda row, ticker: natural_key(str(row.get("ticker") or ticker).upper(), _moment(row["time"])),
    ),
    "news": _Entity(
        "news",
        lambda row, _: (
            f"{millis(_moment(row['timestamp']))}|{digest(row.get('source') or None, row['headline'])}"
        ),
    ),
    "trading_halts": _Entity(
        "trading_halt", lambda row, _: natural_key(row["ticker"].upper(), _moment(row["time"]), row["state"])
    ),
    "custom_alerts": _Entity("custom_alert", _custom_alert),
}
"""By channel; channels that are not here only ever tell the newest state, or have no contract."""


def _moment(value: int | str) -> datetime:
    return (
        datetime.fromtimestamp(value / 1000, UTC) if isinstance(value, int) else datetime.fromisoformat(value)
    )


def _present(value: int | None) -> int | str:
    return value if value is not None else ""
