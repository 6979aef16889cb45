"""Which dead letters there are, and which of them were sent again: the newest, by number. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

import orjson

from alert_bridge.account.wanted import Since
from baleen_bus import Delivered
from baleen_bus.envelope import header_text
from baleen_contracts.catalogue import by_name
from baleen_contracts.dead_letter import DeadLetter, Redelivery
from baleen_contracts.message import micros
from baleen_contracts.tokens import untoken

STREAM: Final = "DEAD"
LETTERS: Final = by_name(DeadLetter.entity).pattern
REPLAYS: Final = by_name(Redelivery.entity).pattern
NEWEST: Final = 50_000
"""How many letters are known."""

Row = tuple[int, int, str, str, bool]
"""Number, when it was stored (microseconds of the epoch), destination, identity, whether it can be sent."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Letters to send again.

    Attributes:
        seqs: their numbers, rising.
        left: how many more could be sent.
        refused: which of those that were named are not sent, and why.
    """

    seqs: list[int]
    left: int
    refused: dict[int, str]


class DeadIndex:
    """The newest dead letters.

    Args:
        most: how many; the oldest gives way.
    """

    def __init__(self, most: int = NEWEST) -> None:
        self._most = most
        self._rows: deque[Row] = deque()
        self._again: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def newest(self) -> int:
        """The number of the newest known letter; 0 if none is known."""
        return self._rows[-1][0] if self._rows else 0

    def begin(self, after: int) -> None:
        """Forget everything; nothing up to number *after* will be told."""
        del after
        self._rows.clear()
        self._again.clear()

    def cut(self, from_seq: int) -> None:
        """Forget the letters of this number and later ones: the stream gives these numbers again."""
        while self._rows and self._rows[-1][0] >= from_seq:
            self._rows.pop()

    def add(self, seq: int, at: int, destination: str, identity: str, *, whole: bool) -> None:
        """Note the next letter; only one that holds its alert ``whole`` can be sent again."""
        self._rows.append((seq, at, destination, identity, whole))
        while len(self._rows) > self._most:
            self._again.pop(self._rows.popleft()[3], None)

    def sent_again(self, identity: str) -> None:
        """Note that the letter of this identity was sent again."""
        self._again[identity] = None
        while len(self._again) > self._most:  # the oldest is of a letter that gave way, or soon will
            del self._again[next(iter(self._again))]

    def was_sent_again(self, seq: int) -> bool:
        """Whether the letter of this number was."""
        row = self._row(seq)
        return row is not None and row[3] in self._again

    def page(self, since: Since, destination: str | None, most: int) -> tuple[list[int], int | None]:
        """The numbers of at most so many letters, rising: from a moment or a number on, or the newest.

        Returns:
            them, and where to go on if there are more after them.
        """
        rows = [row for row in self._rows if destination is None or row[2] == destination]
        if since is None:
            return [row[0] for row in rows[-most:]], None
        column, value = (0, since) if isinstance(since, int) else (1, micros(since))
        place = bisect_left(rows, value, key=itemgetter(column))
        left = rows[place + most][0] if len(rows) > place + most else None
        return [row[0] for row in rows[place : place + most]], left

    def choose(self, destination: str, seqs: list[int] | None, most: int) -> Chosen:
        """Which letters of a destination to send again: those named, or all that can be and were not yet.

        At most so many, the oldest first.
        """
        if seqs is None:
            able = [row[0] for row in self._rows if row[2] == destination and self._may_go(row)]
            return Chosen(able[:most], len(able[most:]), {})
        refused = {seq: why for seq in seqs if (why := self._refusal(seq, destination))}
        able = sorted(frozenset(seqs) - refused.keys())
        return Chosen(able[:most], len(able[most:]), refused)

    def _refusal(self, seq: int, destination: str) -> str | None:
        row = self._row(seq)
        if row is None:
            return "there is no dead letter of this number, or it is not among the newest"
        if row[2] != destination:
            return f"it was to {row[2]}"
        if not row[4]:
            return "it holds no alert that could be sent"
        return "it was sent again already" if row[3] in self._again else None

    def _may_go(self, row: Row) -> bool:
        return row[4] and row[3] not in self._again

    def _row(self, seq: int) -> Row | None:
        place = bisect_left(self._rows, seq, key=itemgetter(0))
        row = self._rows[place] if place < len(self._rows) else None
        return row if row is not None and row[0] == seq else None


def hear(index: DeadIndex, item: Delivered, at: int) -> None:
    """Note in *index* what the stream tells: a letter, or that one was sent again."""
    entity, _, identity = header_text(item.headers.get("Nats-Msg-Id", "")).partition(":")
    if entity == DeadLetter.entity:
        destination = untoken(item.subject.rsplit(".", 1)[1]) or ""
        index.add(item.seq, at, destination, identity, whole=_holds_alert(item.body))
    elif entity == Redelivery.entity:
        letter, _, replays = identity.rpartition("|")
        if replays.isdigit():
            index.sent_again(f"{letter}|{int(replays) - 1}")


def _holds_alert(body: bytes) -> bool:
    """Whether a letter holds the alert that died; some only say which it was."""
    try:
        letter = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    alert = letter.get("alert") if isinstance(letter, dict) else None
    return isinstance(alert, dict) and "alert_type" in alert and letter.get("seq") is not None
