"""One session as it was told so far, from which its next frame is made. Pure.

Clients tell events apart by type, candle and timestamp, and drop what looks the same; engines leave the
candle out of some, and may stamp two alike. A story adds what earlier events said, so that nothing looks the
same. It is a function of the events alone: told again from the beginning, each frame is the same.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from ws_gateway.dialects.alphalab_shapes import Known, shaped
from ws_gateway.dialects.timestamps import stamp
from ws_gateway.event import Event

BEGINS: Final = "session_initialized"
"""The event with which a session begins, or begins anew."""
_ALIKE: Final = timedelta(milliseconds=1)
_STEP: Final = timedelta(microseconds=1)
_MAX_KINDS: Final = 64


class Story:
    """What a session has told."""

    __slots__ = ("_action", "_candle", "_stamps", "_total")

    def __init__(self) -> None:
        self._candle: int | None = None
        self._total: int | None = None
        self._action: str | None = None
        self._stamps: dict[str, datetime] = {}

    def tell(self, event: Event) -> bytes:
        """Return the JSON text of the next event.

        Raises:
            ValueError, KeyError, TypeError: it is no event of a session.
        """
        body = _read(event)
        kind, data = body["event"], body["data"]
        occurred = datetime.fromisoformat(body["occurred_at"]).astimezone(UTC)
        if kind == BEGINS:
            self._candle = self._total = self._action = None
        session_type = body.get("session_type")
        known = Known(
            session_id=body["session_id"],
            forward=None if session_type is None else session_type == "forward",
            occurred_at=occurred,
            candle=self._candle,
            total_candles=self._total,
            action=self._action,
        )
        told = shaped(kind, data, known)
        self._learn(kind, told)
        return frame(kind, told, self._stamp(kind, occurred))

    def _learn(self, kind: str, told: dict[str, Any]) -> None:
        if kind == BEGINS:
            self._total = _whole(told.get("total_candles"))
        elif kind == "candle":
            self._candle = _whole(told.get("candle_index"))
        elif kind == "position_opened":
            self._action = told.get("action")
        elif kind == "position_closed":
            self._action = None

    def _stamp(self, kind: str, occurred: datetime) -> datetime:
        """Return *occurred*, or a moment later, so that no two of a kind have the same."""
        last = self._stamps.pop(kind, None)
        if last is not None and last - _ALIKE < occurred <= last:
            occurred = last + _STEP
        self._stamps[kind] = occurred
        if len(self._stamps) > _MAX_KINDS:  # an engine may invent kinds; the longest unheard gives way
            del self._stamps[next(iter(self._stamps))]
        return occurred


def frame(kind: str, data: dict[str, Any], at: datetime) -> bytes:
    """Return the JSON text that every frame of this protocol is; what is no number becomes null."""
    return orjson.dumps({"type": kind, "data": data, "timestamp": stamp(at)})


def _read(event: Event) -> Any:
    """Return the body of *event*; an engine that writes NaN is read too, and its NaN is null."""
    try:
        return event.data
    except orjson.JSONDecodeError:
        return json.loads(event.body, parse_constant=lambda _: None)


def _whole(number: Any) -> int | None:
    return number if isinstance(number, int) and not isinstance(number, bool) else None
