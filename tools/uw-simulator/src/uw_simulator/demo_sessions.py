"""Two scripted sessions, a backtest and a forward test, each of which ends early when told to stop. Pure.

Everything is made up. A script is a generator of steps; `Stopped`, thrown into it, makes it close its
position if asked to, and come to its result.
"""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from baleen_contracts.session import (
    AiDecision,
    AiThinking,
    Candle,
    CountdownUpdate,
    PositionClosed,
    PositionOpened,
    PriceUpdate,
    SessionCompleted,
    SessionData,
    SessionInitialized,
    StatsUpdate,
)
from uw_simulator.market.chance import Chance

BACKTEST, FORWARD = "demo-backtest", "demo-forward"
_CANDLES, _HISTORY, _DECIDES_EVERY = 60, 20, 10
_START_EQUITY = 10_000.0
_BACKTEST_FROM: Final = datetime(2026, 1, 5, tzinfo=UTC)
_FORWARD_SECONDS: Final = 10

Step = tuple[float, SessionData]
"""How long to wait, in seconds, before an event is said."""
Steps = Generator[Step, None, None]


class Stopped(Exception):  # noqa: N818 - an order, no error
    """The session is to end now."""

    def __init__(self, *, close_position: bool) -> None:
        super().__init__("stopped")
        self.close_position = close_position


def backtest(chance: Chance, _began: datetime) -> Steps:
    """Yield a whole backtest: its candles, decisions, one trade every twenty candles, and the result."""
    config: dict[str, Any] = {"asset": "BTC/USDT", "timeframe": "1h"}
    book = _Trades(64_000.0)
    try:
        yield 0.5, SessionInitialized(
            session_id=BACKTEST, agent_name="demo agent", agent_mode="monk", asset="BTC/USDT", timeframe="1h",
            total_candles=_CANDLES, config=config,
        )  # fmt: skip
        for index in range(_CANDLES):
            candle = book.candle(chance, _BACKTEST_FROM + timedelta(hours=index))
            yield 0.5, Candle(candle_index=index, **candle)
            if index % _DECIDES_EVERY == _DECIDES_EVERY - 1:
                yield 0.2, AiThinking(status="analyzing")
                yield 0.6, book.decide(candle_index=index)
                yield 0.1, book.act()
                yield 0.1, book.stats()
    except Stopped as stopped:
        yield from book.end_early(stopped)
    yield 0.5, book.result(BACKTEST)


def forward(chance: Chance, began: datetime) -> Steps:
    """Yield a forward test: history, then candles that close every ten seconds, with countdown and prices."""
    book = _Trades(3_100.0)
    try:
        yield 0.5, SessionInitialized(
            session_id=FORWARD, agent_name="demo agent", agent_mode="omni", asset="ETH/USDT",
            timeframe="10s", email_notifications=False, test_type="forward", config={"asset": "ETH/USDT"},
        )  # fmt: skip
        for number in range(-_HISTORY, 0):
            yield 0.02, Candle(candle_number=number, **book.candle(chance, _closes(began, number)))
        for number in range(12):
            for second in range(_FORWARD_SECONDS, 0, -1):
                yield 1.0, PriceUpdate(price=book.tick(chance))
                if second in (10, 5):
                    wait = 3 - number % 3
                    yield 0.0, CountdownUpdate(seconds_remaining=second, next_ai_intervention_candles=wait)
            yield 0.0, Candle(candle_number=number, **book.candle(chance, _closes(began, number)))
            if number % 3 == 2:  # noqa: PLR2004 - every third candle
                yield 0.0, AiThinking(status="analyzing")
                yield 0.8, book.decide(candle_number=number)
                yield 0.1, book.act()
                yield 0.1, book.stats()
    except Stopped as stopped:
        yield from book.end_early(stopped)
    yield 0.5, book.result(FORWARD)


def _closes(began: datetime, number: int) -> datetime:
    return began + timedelta(seconds=_FORWARD_SECONDS * number)


class _Trades:
    """A price, a position that is opened and closed in turn, and what came of it."""

    def __init__(self, price: float) -> None:
        self._price = price
        self._at = _BACKTEST_FROM
        self._equity = _START_EQUITY
        self._entry: tuple[float, datetime] | None = None
        self._results: list[float] = []
        self._forced = False

    def tick(self, chance: Chance) -> float:
        self._price *= 1 + chance.gauss(0, 0.0004)
        return round(self._price, 2)

    def candle(self, chance: Chance, at: datetime) -> dict[str, Any]:
        opened, self._at = self._price, at
        self._price = close = opened * (1 + chance.gauss(0, 0.004))
        wick = abs(chance.gauss(0, 0.002))
        return {
            "timestamp": at.isoformat(), "open": round(opened, 2), "close": round(close, 2),
            "high": round(max(opened, close) * (1 + wick), 2),
            "low": round(min(opened, close) * (1 - wick), 2), "volume": round(chance.expovariate(1 / 900), 3),
            "indicators": {"rsi": round(chance.uniform(25, 75), 1)},
        }  # fmt: skip

    def decide(self, **place: int) -> AiDecision:
        price = self._price
        return AiDecision(
            action="CLOSE" if self._entry else "LONG", reasoning="SIMULATED: momentum turned",
            entry_price=round(price, 2), stop_loss_price=round(price * 0.98, 2),
            take_profit_price=round(price * 1.03, 2), size_percentage=50, leverage=2, **place,
        )  # fmt: skip

    def act(self) -> SessionData:
        if self._entry is not None:
            return self._close("decision")
        price = self._price
        self._entry = (price, self._at)
        return PositionOpened(
            trade_number=len(self._results) + 1, action="LONG", entry_price=round(price, 2), size=0.5,
            leverage=2, stop_loss=round(price * 0.98, 2), take_profit=round(price * 1.03, 2),
            entry_time=self._at.isoformat(), reasoning="SIMULATED",
        )  # fmt: skip

    def end_early(self, stopped: Stopped) -> Steps:
        self._forced = True
        if stopped.close_position and self._entry is not None:
            yield 0.0, self._close("stopped")

    def _close(self, reason: str) -> PositionClosed:
        assert self._entry is not None  # noqa: S101 - asked by both callers
        (entry, since), self._entry = self._entry, None
        share = (self._price / entry - 1) * 2
        gain = self._equity * share / 2
        self._equity += gain
        self._results.append(gain)
        return PositionClosed(
            trade_number=len(self._results), action="LONG", entry_price=round(entry, 2),
            exit_price=round(self._price, 2), entry_time=since.isoformat(), exit_time=self._at.isoformat(),
            size=0.5, pnl=round(gain, 2), pnl_pct=round(share * 100, 3), reason=reason, leverage=2,
        )  # fmt: skip

    def stats(self) -> StatsUpdate:
        wins = [gain for gain in self._results if gain > 0]
        return StatsUpdate(
            total_trades=len(self._results), winning_trades=len(wins),
            losing_trades=len(self._results) - len(wins), win_rate=self._win_rate(),
            total_pnl=round(sum(self._results), 2), current_equity=round(self._equity, 2),
            equity_change_pct=round(self._change(), 3),
        )  # fmt: skip

    def result(self, session_id: str) -> SessionCompleted:
        return SessionCompleted(
            session_id=session_id, result_id=f"{session_id}-result", final_equity=round(self._equity, 2),
            total_pnl=round(sum(self._results), 2), total_pnl_pct=round(self._change(), 3),
            total_trades=len(self._results), win_rate=self._win_rate(), forced_stop=self._forced,
        )  # fmt: skip

    def _win_rate(self) -> float:
        return round(100 * sum(gain > 0 for gain in self._results) / max(1, len(self._results)), 1)

    def _change(self) -> float:
        return (self._equity / _START_EQUITY - 1) * 100
