"""What REST tells of the recent past: bounded tables, newest first, fed by whichever source runs. Pure."""

from __future__ import annotations

from collections import deque
from typing import Any

from uw_simulator.samples import rest_body

Row = dict[str, Any]

_RECENT = 2_000


class Book:
    """The rows REST can be asked for. The captured congress rows stand in it from the start."""

    def __init__(self) -> None:
        self.flow_alerts: deque[Row] = deque(maxlen=_RECENT)
        self.dark_pool: deque[Row] = deque(maxlen=_RECENT)
        self.lit_flow: deque[Row] = deque(maxlen=_RECENT)
        self.headlines: deque[Row] = deque(maxlen=_RECENT)
        self.tide: deque[Row] = deque(maxlen=_RECENT)  # oldest first, as upstream tells it
        captured = ("congress-recent-trades.live", "congress-congress-trader.live",
        "congress-recent-trades.doc",
                    "congress-late-reports.live")  # fmt: skip
        self.congress: deque[Row] = deque(
            (row for name in captured for row in rest_body(name)["data"]), maxlen=_RECENT
        )

    def add(self, table: deque[Row], row: Row) -> None:
        """Put *row* on top of *table*."""
        table.appendleft(row)
