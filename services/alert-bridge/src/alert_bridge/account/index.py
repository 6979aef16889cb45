"""Which number of the stream an id means: the newest alerts, by id and by message id. Pure.

An alert's body stays on the stream. What is kept of each is a tuple of plain values, which the garbage
collector soon stops looking at; kinds are shared among equal ones.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from itertools import islice
from operator import itemgetter
from typing import Final

from alert_bridge.account.wanted import Filters, Kind

NEWEST: Final = 100_000
"""How many alerts are known by their id."""
_KINDS_SHARED: Final = 4_096
_LOOKED_AT: Final = 10_000
"""Rows looked at in one go, which takes a few milliseconds."""
_DIGITS: Final = 20

Row = tuple[int, int, str, int, Kind]
"""Number, when the stream took it (microseconds of the epoch), id, message id, kind."""


class Index:
    """The newest alerts of one stream.

    Args:
        most: how many; the oldest gives way.
    """

    def __init__(self, most: int = NEWEST) -> None:
        self._most = most
        self._rows: deque[Row] = deque()
        self._by_id: dict[str, Row | list[Row]] = {}
        self._by_message: dict[int, Row] = {}
        self._kinds: dict[Kind, Kind] = {}
        self.floor: int | None = None
        """The number after which no alert is missing here; None before anything was heard."""

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def reaches_back_to(self) -> int | None:
        """When the oldest known alert was stored, in microseconds of the epoch; None if none is known."""
        return self._rows[0][1] if self._rows else None

    @property
    def newest(self) -> int:
        """The number of the newest known alert, or where knowing begins."""
        return self._rows[-1][0] if self._rows else (self.floor or 0)

    def begin(self, after: int) -> None:
        """Forget everything; what is stored after number *after* will be added."""
        self._rows.clear()
        self._by_id.clear()
        self._by_message.clear()
        self._kinds.clear()
        self.floor = after

    def add(self, seq: int, at: int, alert_id: str, message_id: int, kind: Kind) -> None:
        """Note the next alert; one that is no newer than the newest is known already."""
        if seq <= self.newest:
            return
        row = (seq, at, alert_id, message_id, self._shared(kind))
        self._rows.append(row)
        held = self._by_id.get(alert_id)
        if held is None:
            self._by_id[alert_id] = row
        elif isinstance(held, list):
            held.append(row)
        else:
            self._by_id[alert_id] = [held, row]
        self._by_message[message_id] = row
        while len(self._rows) > self._most:
            oldest = self._rows.popleft()
            self.floor = oldest[0]
            self._forget(oldest, 0)

    def cut(self, from_seq: int) -> None:
        """Forget the alerts of this number and later ones: the stream gives these numbers again."""
        while self._rows and self._rows[-1][0] >= from_seq:
            self._forget(self._rows.pop(), -1)
        if self.floor is not None:
            self.floor = min(self.floor, from_seq - 1)

    def seqs_of(self, alert_id: str) -> list[int]:
        """The numbers of the alerts with this id, oldest first: several sources may count alike."""
        return [row[0] for row in self._rows_of(alert_id)]

    def seq_of_message(self, message_id: str, source: str | None = None) -> int | None:
        """The number of the alert that its sender was told to be this message; the newest if several are.

        With *source*, only an alert of that source.
        """
        if not (message_id.isascii() and message_id.isdigit()) or len(message_id) > _DIGITS:
            return None
        meant = [row for row in (*self._rows_of(message_id), self._by_message.get(int(message_id))) if row]
        name = None if source is None else source.casefold()
        return max((row[0] for row in meant if name is None or row[4][1] == name), default=None)

    def first_from(self, at: int) -> int:
        """The number of the first alert stored at *at* (microseconds of the epoch) or later."""
        place = bisect_left(self._rows, at, key=itemgetter(1))
        return self._rows[place][0] if place < len(self._rows) else self.newest + 1

    def onwards(self, seq: int, filters: Filters, most: int) -> tuple[list[int], int | None]:
        """Some numbers from *seq* on of alerts whose kind is meant, rising.

        At most so many, and of a bounded number of rows: with them, where to go on, or None at the end.
        """
        place = bisect_left(self._rows, seq, key=itemgetter(0))
        return _fitting(islice(self._rows, place, None), filters, most)

    def backwards(self, seq: int, filters: Filters, most: int) -> tuple[list[int], int | None]:
        """The same from *seq* on down, falling."""
        place = bisect_left(self._rows, seq + 1, key=itemgetter(0))
        return _fitting(islice(reversed(self._rows), len(self._rows) - place, None), filters, most)

    def _rows_of(self, alert_id: str) -> list[Row]:
        held = self._by_id.get(alert_id)
        if held is None:
            return []
        return list(held) if isinstance(held, list) else [held]

    def _shared(self, kind: Kind) -> Kind:
        if len(self._kinds) >= _KINDS_SHARED:
            self._kinds.clear()  # rows keep theirs; only new equal ones are no longer shared with them
        return self._kinds.setdefault(kind, kind)

    def _forget(self, row: Row, place: int) -> None:
        """Forget the first (0) or the last (-1) row, which is the first or the last of its id as well."""
        _, _, alert_id, message_id, _ = row
        held = self._by_id[alert_id]
        if isinstance(held, list) and len(held) > 1:
            held.pop(place)
        else:
            del self._by_id[alert_id]
        if self._by_message.get(message_id) is row:
            del self._by_message[message_id]


def _fitting(rows: Iterable[Row], filters: Filters, most: int) -> tuple[list[int], int | None]:
    fits: dict[int, bool] = {}  # by kind, as it is kept: each is looked at once
    found: list[int] = []
    for looked, (seq, _, _, _, kind) in enumerate(rows):
        if len(found) >= most or looked >= _LOOKED_AT:
            return found, seq
        meant = fits.get(id(kind))
        if meant is None:
            meant = fits[id(kind)] = filters.fits(kind)
        if meant:
            found.append(seq)
    return found, None
