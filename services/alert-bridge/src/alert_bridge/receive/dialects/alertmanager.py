"""What Alertmanager (version 4) and Grafana (version 1) send: a group of alerts, one of ours for each. Pure.

Every alert has an id made of its fingerprint, its start and its status. So a group that is sent again after
half of it was stored, by the same sender or by the other of a pair, doubles nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from alert_bridge.errors import Invalid, Problem, TooLarge
from alert_bridge.receive.dialects.anyjson import read_any
from alert_bridge.receive.shape import BridgedAlert
from alert_bridge.receive.told import Told
from alert_bridge.receive.values import as_text, id_of, mapped, moment_of, plain_text, severity_of
from baleen_contracts.message import digest

MOST = 1_000
"""Alerts of one group."""
MOST_BYTES = 8 * 1024 * 1024
"""What the group says of all, times the alerts that each carry it."""

_NO_END = "0001-01-01T00:00:00Z"
_SYMBOLS = ("symbol", "ticker")
_URLS = ("panelURL", "dashboardURL", "generatorURL", "ruleURL")
_TITLES, _CONTENTS = ("summary", "title"), ("description", "message")


def read_group(told: Told) -> list[BridgedAlert]:
    """The alerts of a group, in its order.

    A body that a template of the sender's own made is read as any other text or JSON: one alert.

    Raises:
        Unreadable, Empty: there is nothing to read.
        Invalid: too many alerts, nested too deep, or a field is wrong.
        TooLarge: too much is said of every alert of a large group.
    """
    said: Any = told.json() if told.body.lstrip().startswith(b"{") else {}
    if not _is_group(said):
        return read_any(told)
    inner = said["alerts"]
    if len(inner) > MOST:
        raise Invalid([Problem("alerts", f"at most {MOST} alerts; set max_alerts, or group by more labels")])
    common = _said_of_all(said, told.dialect)
    if len(orjson.dumps(common)) * len(inner) > MOST_BYTES:
        raise TooLarge(
            "the group says too much of each of its alerts; set max_alerts, or group by more labels"
        )
    return [_alert(told, one, common) for one in inner]


def _is_group(said: Any) -> bool:
    inner = said.get("alerts") if isinstance(said, dict) else None
    return bool(inner) and isinstance(inner, list) and all(_is_alert(one) for one in inner)


def _is_alert(one: Any) -> bool:
    return isinstance(one, dict) and isinstance(one.get("labels"), dict)


def _said_of_all(said: Mapping[str, Any], dialect: str) -> dict[str, str]:
    return {f"{dialect}.{name}": as_text(value) for name, value in said.items() if name != "alerts"}


def _alert(told: Told, one: Mapping[str, Any], common: Mapping[str, str]) -> BridgedAlert:
    labels, notes = one["labels"], one.get("annotations")
    notes = notes if isinstance(notes, dict) else {}
    resolved = one.get("status") == "resolved"
    title = _first(notes, _TITLES) or plain_text(labels.get("alertname")) or "alert"
    fields = {
        "id": _id(one),
        "title": f"[RESOLVED] {title}" if resolved else title,
        "content": _first(notes, _CONTENTS),
        "severity": severity_of(labels.get("severity")),
        "symbol": _first(labels, _SYMBOLS),
        "url": _first(one, _URLS),
        "occurred_at": _when(one, resolved=resolved),
        **mapped(one, told.sender),
    }
    beside = {
        **common,
        **{f"annotation.{name}": as_text(value) for name, value in notes.items()},
        **{f"alert.{name}": as_text(value) for name, value in one.items() if _is_beside(name, value)},
    }
    own = {f"label.{name}" if name in beside else name: as_text(value) for name, value in labels.items()}
    return told.alert(fields, {**beside, **own})


def _is_beside(name: str, value: Any) -> bool:
    return name != "labels" and not (name == "annotations" and isinstance(value, dict))


def _id(one: Mapping[str, Any]) -> str:
    """The same for the same alert in the same state, whoever tells of it."""
    labels = orjson.dumps(one["labels"], option=orjson.OPT_SORT_KEYS).decode()
    name = plain_text(one.get("fingerprint")) or digest(labels)
    return id_of(f"{name}:{as_text(one.get('startsAt'))}:{as_text(one.get('status'))}") or name


def _when(one: Mapping[str, Any], *, resolved: bool) -> Any:
    ended = one.get("endsAt")
    if resolved and ended != _NO_END:
        return moment_of(ended) or moment_of(one.get("startsAt"))
    return moment_of(one.get("startsAt"))


def _first(said: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((text for name in names if (text := plain_text(said.get(name))) is not None), None)
