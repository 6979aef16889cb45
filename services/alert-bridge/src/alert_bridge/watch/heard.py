"""A message of the bus as watches look at it: read no further than somebody needs. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import orjson

from baleen_bus import Delivered
from baleen_bus.envelope import header_text

_STORED_AT: Final = "Nats-Time-Stamp"
_ID: Final = "Nats-Msg-Id"


class Heard:
    """One message. ``epoch``: the stream's, to which its number belongs."""

    __slots__ = ("_body", "_delivered", "_stored_at", "epoch")

    def __init__(self, delivered: Delivered, epoch: str) -> None:
        self._delivered = delivered
        self.epoch = epoch
        self._body: dict[str, Any] | None = None
        self._stored_at: datetime | None = None

    @property
    def subject(self) -> str:
        """The public subject."""
        return self._delivered.subject

    @property
    def seq(self) -> int:
        """Its number in the stream."""
        return self._delivered.seq

    @property
    def at(self) -> str:
        """Its place on the bus, in one word."""
        return f"{self._delivered.stream}.{self.epoch}.{self.seq}"

    @property
    def id(self) -> str:
        """Its id, unique in the stream; its place where it has none."""
        written = self._delivered.headers.get(_ID, "")
        return header_text(written) if written else self.at

    @property
    def stored_at(self) -> datetime:
        """When the stream took it: the one time that never goes back and that no publisher chooses."""
        if self._stored_at is None:
            written = self._delivered.headers.get(_STORED_AT, "")
            self._stored_at = datetime.fromisoformat(written).astimezone(UTC)
        return self._stored_at

    @property
    def body(self) -> dict[str, Any]:
        """Its JSON object; empty where it is something else."""
        if self._body is None:
            try:
                read = orjson.loads(self._delivered.body)
            except orjson.JSONDecodeError:
                read = None
            self._body = read if isinstance(read, dict) else {}
        return self._body
