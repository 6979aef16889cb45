"""What REST tells of the recent past: bounded tables, newest first, fed by whatever is said. Pure.

Records with a twin on REST are kept as the socket said them, and become rows when somebody asks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from uw_simulator.samples import rest_body
from uw_simulator.twins import TWINS

Row = dict[str, Any]

_RECENT = 2_000
_REMEMBERED = 3_600.0  # seconds
_REMEMBERED_MOST = 100_000  # records of one channel


class Book:
    """The rows REST can be asked for. The captured congress rows stand in it from the start."""

    def __init__(self) -> None:
        self.twins: dict[str, deque[tuple[float, bytes]]] = {name: deque() for name in TWINS}
        self.headlines: deque[Row] = deque(maxlen=_RECENT)
        self.tide: deque[Row] = deque(maxlen=_RECENT)  # oldest first, as upstream tells it
        captured = ("congress-recent-trades.live", "congress-congress-trader.live",
        "congress-recent-trades.doc",
                    "congress-late-reports.live")  # fmt: skip
        self.congress: deque[Row] = deque(
            (row for name in captured for row in rest_body(name)["data"]), maxlen=_RECENT
        )

    def hear(self, channel: str, payload: bytes, now: float) -> None:
        """Keep a record said at *now*, epoch seconds, for an hour."""
        kept = self.twins[channel]
        kept.appendleft((round(now, 6), payload))  # as exact as REST tells it, so that a cursor finds its row
        while kept[-1][0] < now - _REMEMBERED or len(kept) > _REMEMBERED_MOST:
            kept.pop()

    def rows(
        self, channel: str, *, since: float | None = None, until: float | None = None
    ) -> Iterator[tuple[float, Row]]:
        """Yield what was said on *channel*, newest first, as (epoch seconds, row).

        Args:
            channel: one that has a twin.
            since: skip what was said before.
            until: skip what was said after; a record said right then is not skipped.
        """
        make = TWINS[channel]
        for said_at, payload in self.twins[channel]:
            if until is not None and said_at > until:
                continue
            if since is not None and said_at < since:
                return
            try:
                yield said_at, make(payload, said_at)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # a bad record that somebody asked to be said: REST has nothing to tell of it
