"""Reads from the bus what the watches said lately, so that whoever takes over does not say it again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import ValidationError

from alert_bridge.rules.model import Watch
from alert_bridge.watch.words import source_of
from baleen_bus import Bus, Delivered
from baleen_bus.reading import BATCH, NOT_FOUND, direct_get
from baleen_contracts.alert import Alert
from baleen_contracts.catalogue import by_name
from baleen_contracts.tokens import name_token

CLOCKS_APART: Final = 60.0
"""Seconds by which the server's clock and ours may differ."""


async def recall(
    bus: Bus, watches: Sequence[Watch], since: float, on_alert: Callable[[str, Alert], None]
) -> None:
    """Tell *on_alert* each alert of these watches that was stored from *since* on, with its watch's name.

    Raises:
        Unreachable, ApiRefused: the stream cannot be read now, or not by this user.
    """
    names = {source_of(watch.name): watch.name for watch in watches}
    stream = by_name(Alert.entity).stream or ""
    start = datetime.fromtimestamp(max(0.0, since - CLOCKS_APART), UTC).isoformat()
    for kind in {name_token(watch.alert_type) for watch in watches}:
        place: dict[str, Any] = {"start_time": start}
        more = True
        while more:
            items: list[Delivered] = []
            ask = {**place, "next_by_subj": f"alert.v1.{kind}.*", "batch": BATCH}
            end = await direct_get(bus, stream, ask, items.append)
            for item in items:
                alert = _alert(item.body) if b'"watch:' in item.body else None
                if alert is not None and alert.source in names:
                    on_alert(names[alert.source], alert)
            more = bool(items) and end.status != NOT_FOUND and end.pending > 0
            if more:
                place = {"seq": items[-1].seq + 1}


def _alert(body: bytes) -> Alert | None:
    try:
        return Alert.model_validate_json(body)
    except ValidationError:
        return None
