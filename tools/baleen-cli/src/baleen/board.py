"""What `baleen watch` shows: the newest messages, and how many came of each kind. Pure."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table
from rich.text import Text

_NOT_SHOWN = frozenset({"occurred_at", "received_at", "id", "option_symbol"})
_BULL, _BEAR = frozenset({"bullish", "call"}), frozenset({"bearish", "put"})


@dataclass
class Board:
    """The newest *rows* messages and the counts since the start.

    Attributes:
        rows: how many messages are shown.
        started: when counting began, in seconds of the clock that is handed to `table`.
    """

    rows: int
    started: float
    total: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    state: str = "connecting"
    _newest: deque[tuple[str, str, str]] = field(default_factory=deque)

    def take(self, frame: Mapping[str, Any]) -> None:
        """Take one frame of the gateway."""
        op = frame.get("op")
        if op == "event":
            self.total += 1
            subject = str(frame.get("topic", ""))
            self.counts[".".join(subject.split(".")[:3])] += 1
            self._newest.appendleft((time_of(frame), subject, summary(frame.get("data"))))
            while len(self._newest) > self.rows:
                self._newest.pop()
        elif op == "gap":
            self._newest.appendleft(("", str(frame.get("topic", "")), f"gap: {frame.get('reason', '')}"))
        elif op == "drain":
            self.state = "the gateway is leaving"

    def table(self, now: float) -> Table:
        """Return what is to be seen at *now* seconds."""
        rate = self.total / max(now - self.started, 1.0)
        kinds = "   ".join(f"{kind} {count}" for kind, count in self.counts.most_common(4))
        table = Table(expand=True, box=None, header_style="bold", caption_justify="left")
        table.title = f"{self.state} · {self.total} messages · {rate:.1f}/s"
        table.caption = kinds
        table.add_column("time", no_wrap=True, width=12)
        table.add_column("subject", no_wrap=True, ratio=1, style="cyan")
        table.add_column("message", no_wrap=True, ratio=3, overflow="ellipsis")
        for time, subject, text in self._newest:
            table.add_row(time, subject, Text(text, style=_mood(text)))
        return table


def time_of(frame: Mapping[str, Any]) -> str:
    """Return the UTC time of day of an event, to the millisecond."""
    data = frame.get("data")
    moment = frame.get("time") or (data.get("received_at") if isinstance(data, dict) else None)
    return str(moment).partition("T")[2][:12].rstrip("Z") if moment else ""


def summary(data: Any) -> str:
    """Return the fields of a body that fit on a line: plain values first come, first shown."""
    if not isinstance(data, dict):
        return str(data)
    plain = ((k, v) for k, v in data.items() if k not in _NOT_SHOWN and not isinstance(v, dict | list))
    return "  ".join(f"{name}={_short(value)}" for name, value in plain)


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _mood(text: str) -> str:
    words = set(text.replace("=", " ").split())
    if words & _BULL and not words & _BEAR:
        return "green"
    return "red" if words & _BEAR and not words & _BULL else ""
