"""Where on the bus the watches of a stream stand, kept there for whoever watches next."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson
import structlog

from baleen_bus import Bucket, Conflict

LONGEST_SILENCE: Final = 60.0
"""Seconds after which a place is written again though it did not change: the bucket drops what is old."""

log = structlog.get_logger(__name__)


class Superseded(Exception):  # noqa: N818 - the condition is the name
    """Another replica writes where this one stands: it is not ours to watch any more."""


@dataclass(frozen=True, slots=True)
class Position:
    """Everything up to ``seq`` is done with.

    Attributes:
        epoch: the stream's, to which the numbers belong.
        seq: the number.
        at: seconds since the epoch when it was written.
        marks: of each watch, by a word for it and for what it looks for, after which number it begins.
    """

    epoch: str
    seq: int
    at: float
    marks: dict[str, int] = field(default_factory=dict)

    def tells_as_much_as(self, other: Position) -> bool:
        """Whether only the time differs."""
        return replace(self, at=other.at) == other


class PositionBook:
    """The page of one stream in the bucket ``delivery``. Every call may raise what `Bucket` raises."""

    def __init__(self, bucket: Bucket, stream: str) -> None:
        self._bucket = bucket
        self._key = f"watch.{stream}"
        self._nonce = secrets.token_hex(8)
        self._revision = 0

    async def read(self) -> Position | None:
        """What stands there; None if nothing, or nothing to be understood."""
        entry = await self._bucket.read(self._key)
        self._revision = entry.revision if entry is not None else 0
        if entry is None or entry.deleted:
            return None
        try:
            said = orjson.loads(entry.value)
            marks = {str(mark): int(since) for mark, since in said["marks"].items()}
            return Position(str(said["epoch"]), int(said["seq"]), float(said["at"]), marks)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
            log.error("a position cannot be understood", key=self._key)  # noqa: TRY400 - the value is all
            return None

    async def write(self, position: Position) -> None:
        """Write over what we read or wrote last.

        Raises:
            Superseded: somebody else wrote there.
        """
        said: dict[str, Any] = {
            "epoch": position.epoch,
            "seq": position.seq,
            "at": position.at,
            "marks": position.marks,
            "writer": self._nonce,
        }
        value = orjson.dumps(said)
        try:
            self._revision = await self._bucket.update(self._key, value, last=self._revision)
        except Conflict:
            await self._adopt()
            self._revision = await self._bucket.update(self._key, value, last=self._revision)

    async def drop(self) -> None:
        """Forget it: nobody watches that stream any more."""
        await self._bucket.delete(self._key)

    async def _adopt(self) -> None:
        """Take what stands there for ours if an unanswered write of ours got there, or nothing does."""
        entry = await self._bucket.read(self._key)
        if entry is not None and self._nonce.encode() not in entry.value:
            raise Superseded(f"{self._key} is written by somebody else")
        self._revision = entry.revision if entry is not None else 0
