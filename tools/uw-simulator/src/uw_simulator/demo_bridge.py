"""A made-up trading process as its bridge shows it: events, and state that dashboards keep a copy of. Pure.

It buys a ticker, marks it to the market every second, and sells it again; the numbers of its orders come
round, so that however long it runs its state stays small.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from baleen_contracts.bridge import BridgeEvent, BridgeState
from baleen_contracts.message import Message
from uw_simulator.market.market import Market

_ROUND: Final = 30
"""Seconds from one purchase to the next."""
_BUYS_AT, _SELLS_AT = 3, 24
_ORDERS: Final = 5
_UNITS: Final = 75


class DemoDesk:
    """The trading process, told second by second."""

    def __init__(self, ticker: str) -> None:
        """Trade *ticker* and nothing yet."""
        self._ticker = ticker
        self._second = 0
        self._entry: float | None = None
        self._pnl = 0.0

    def second(self, market: Market, now: datetime) -> list[Message]:
        """Return what the process says in the next second, in order."""
        price = market.stocks[self._ticker].price
        said = [_message(what, now) for what in self._said(price)]
        self._second += 1
        return said

    def _said(self, price: float) -> Iterator[tuple[str, Any]]:
        place, order = self._second % _ROUND, f"demo-{self._second // _ROUND % _ORDERS}"
        path = f"trading.positions.{order}"
        if not self._second:
            yield "runner_started", {}
            yield "=trading.runner_status", "running"
        yield "tick_update", {"tradingsymbol": self._ticker, "ltp": round(price, 2), "is_index": False}
        if place == _BUYS_AT:
            self._entry = price
            bought = {"order_id": order, "symbol": self._ticker, "entry_price": round(price, 2)}
            yield "trade_executed", {**bought, "quantity_units": _UNITS}
            yield f"={path}", {**bought, "quantity_units": _UNITS, "status": "open"}
        elif self._entry is not None:
            gain = round((price - self._entry) * _UNITS, 2)
            yield f"={path}.pnl", gain
            if place == _SELLS_AT:
                self._entry, self._pnl = None, round(self._pnl + gain, 2)
                sold = {"order_id": order, "exit_price": round(price, 2), "total_pnl": self._pnl}
                yield "position_closed", {**sold, "reason": "SIMULATED"}
                yield f"-{path}.pnl", gain
                yield f"-{path}", None
                yield "=trading.daily_pnl", self._pnl


def _message(what: tuple[str, Any], now: datetime) -> Message:
    """Return the message of `=path` and its value, `-path` and its last one, or an event and its data."""
    name, content = what
    if name.startswith("="):
        metadata: dict[str, Any] = {"source": "uw-simulator"}
        return BridgeState(path=name[1:], value=content, metadata=metadata, occurred_at=now)
    if name.startswith("-"):
        return BridgeState(path=name[1:], old_value=content, deleted=True, occurred_at=now)
    return BridgeEvent(event_type=name, data={**content, "simulated": True}, occurred_at=now)
