"""What the demo publishers say: signals, market data, insights, a narrative, and two scripted sessions. Pure.

Everything is made up. It exists so that every route of the gateway has something to show on one machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from baleen_contracts.message import Message
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
from baleen_contracts.signals import AgentInsight, MarketData, Narrative, Signal
from uw_simulator.market.chance import Chance
from uw_simulator.market.market import Market

BACKTEST, FORWARD = "demo-backtest", "demo-forward"
TICKERS = ("SPY", "QQQ", "NVDA", "TSLA", "AAPL")
_AGENTS = ("marketagent", "flowagent", "riskagent")
_CANDLES, _HISTORY, _DECIDES_EVERY = 60, 20, 10
_START_EQUITY = 10_000.0

Step = tuple[float, SessionData]
"""How long to wait, in seconds, before an event is said."""


def market_data(market: Market, ticker: str, now: datetime) -> Message:
    """Return the present level of *ticker*."""
    stock = market.stocks[ticker]
    change = stock.price - stock.previous
    data: dict[str, Any] = {
        "price": round(stock.price, 2), "change": round(change, 2),
        "change_percent": round(change / stock.previous * 100, 4), "volume": stock.volume,
        "high": round(stock.high, 2), "low": round(stock.low, 2), "simulated": True,
    }  # fmt: skip
    return MarketData(symbol=ticker, data=data, occurred_at=now)


def signal(market: Market, chance: Chance, number: int, now: datetime) -> Message:
    """Return a made-up signal on one of `TICKERS`."""
    ticker = chance.choice(TICKERS)
    price = market.stocks[ticker].price
    up = chance.random() < 0.5  # noqa: PLR2004 - a coin
    sign = 1 if up else -1
    content: dict[str, Any] = {
        "id": f"demo-{number}", "symbol": ticker, "type": chance.choice(("SQUEEZE", "GAMMA_RAMP",
        "BREAKOUT")),
        "action": "BUY" if up else "SELL", "confidence": round(chance.uniform(0.55, 0.95), 2),
        "entry_price": round(price, 2), "stop_price": round(price * (1 - sign * 0.01), 2),
        "target_price": round(price * (1 + sign * 0.02), 2), "risk_reward": 2.0,
        "reasoning": ["simulated flow leans one way"], "warnings": ["SIMULATED"], "source": "uw-simulator",
        "timestamp": now.isoformat(), "is_master": chance.random() < 0.2,  # noqa: PLR2004 - a share
    }  # fmt: skip
    return Signal(symbol=ticker, signal=content, occurred_at=now)


def insight(market: Market, chance: Chance, now: datetime) -> Message:
    """Return what one of the made-up agents thinks."""
    ticker = chance.choice(TICKERS)
    stance = chance.choice(("bullish", "bearish", "neutral"))
    content: dict[str, Any] = {
        "symbol": ticker, "stance": stance, "confidence": round(chance.uniform(0.4, 0.9), 2),
        "text": f"SIMULATED: {ticker} at {market.stocks[ticker].level}, flow looks {stance}.",
    }  # fmt: skip
    return AgentInsight(agent=chance.choice(_AGENTS), insight=content, occurred_at=now)


def narrative(market: Market, now: datetime) -> Message:
    """Return the market as a story of one sentence."""
    calls, puts, _, _ = market.tide.totals()
    mood = "risk-on" if calls > puts else "defensive"
    text = (
        f"SIMULATED: the tape is {mood}; net premium of calls {calls / 100:,.0f}, of puts {puts / 100:,.0f}."
    )
    return Narrative(narrative={"text": text, "mood": mood}, occurred_at=now)


def backtest(chance: Chance) -> Iterator[Step]:
    """Yield a whole backtest: its candles, decisions, one trade every twenty candles, and the result."""
    config: dict[str, Any] = {"asset": "BTC/USDT", "timeframe": "1h"}
    yield 0.5, SessionInitialized(
        session_id=BACKTEST, agent_name="demo agent", agent_mode="monk", asset="BTC/USDT", timeframe="1h",
        total_candles=_CANDLES, config=config,
    )  # fmt: skip
    book = _Trades()
    price = 64_000.0
    for index in range(_CANDLES):
        candle, price = _candle(price, chance)
        yield 0.5, Candle(candle_index=index, **candle)
        if index % _DECIDES_EVERY == _DECIDES_EVERY - 1:
            yield 0.2, AiThinking(status="analyzing")
            yield 0.6, book.decide(price, candle_index=index)
            yield 0.1, book.act(price, index)
            yield 0.1, book.stats()
    yield 0.5, book.result(BACKTEST)


def forward(chance: Chance) -> Iterator[Step]:
    """Yield a forward test: history, then candles that close every ten seconds, with countdown and prices."""
    yield 0.5, SessionInitialized(
        session_id=FORWARD, agent_name="demo agent", agent_mode="omni", asset="ETH/USDT", timeframe="1m",
        email_notifications=False, test_type="forward", config={"asset": "ETH/USDT"},
    )  # fmt: skip
    book = _Trades()
    price = 3_100.0
    for number in range(-_HISTORY, 0):
        candle, price = _candle(price, chance)
        yield 0.02, Candle(candle_number=number, **candle)
    for number in range(12):
        for second in range(10, 0, -1):
            price *= 1 + chance.gauss(0, 0.0004)
            yield 1.0, PriceUpdate(price=round(price, 2))
            if second in (10, 5):
                yield (
                    0.0,
                    CountdownUpdate(seconds_remaining=second, next_ai_intervention_candles=3 - number % 3),
                )
        candle, price = _candle(price, chance)
        yield 0.0, Candle(candle_number=number, **candle)
        if number % 3 == 2:  # noqa: PLR2004 - every third candle
            yield 0.0, AiThinking(status="analyzing")
            yield 0.8, book.decide(price, candle_number=number)
            yield 0.1, book.act(price, number)
            yield 0.1, book.stats()
    yield 0.5, book.result(FORWARD)


class _Trades:
    """A position that is opened and closed in turn, and what came of it."""

    def __init__(self) -> None:
        self._equity = _START_EQUITY
        self._entry: tuple[float, int] | None = None
        self._results: list[float] = []

    def decide(self, price: float, **place: int) -> AiDecision:
        action = "CLOSE" if self._entry else "LONG"
        return AiDecision(
            action=action, reasoning="SIMULATED: momentum turned", entry_price=round(price, 2),
            stop_loss_price=round(price * 0.98, 2), take_profit_price=round(price * 1.03, 2),
            size_percentage=50, leverage=2, **place,
        )  # fmt: skip

    def act(self, price: float, at: int) -> SessionData:
        number = len(self._results) + 1
        if self._entry is None:
            self._entry = (price, at)
            return PositionOpened(
                trade_number=number, action="LONG", entry_price=round(price, 2), size=0.5, leverage=2,
                stop_loss=round(price * 0.98, 2), take_profit=round(price * 1.03, 2), entry_time=at,
                reasoning="SIMULATED",
            )  # fmt: skip
        entry, since = self._entry
        self._entry = None
        share = (price / entry - 1) * 2
        gain = self._equity * share / 2
        self._equity += gain
        self._results.append(gain)
        return PositionClosed(
            trade_number=number, action="LONG", entry_price=round(entry, 2), exit_price=round(price, 2),
            entry_time=since, exit_time=at, size=0.5, pnl=round(gain, 2), pnl_pct=round(share * 100, 3),
            reason="decision", leverage=2,
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
            total_trades=len(self._results), win_rate=self._win_rate(), forced_stop=False,
        )  # fmt: skip

    def _win_rate(self) -> float:
        return round(100 * sum(gain > 0 for gain in self._results) / max(1, len(self._results)), 1)

    def _change(self) -> float:
        return (self._equity / _START_EQUITY - 1) * 100


def _candle(price: float, chance: Chance) -> tuple[dict[str, Any], float]:
    close = price * (1 + chance.gauss(0, 0.004))
    wick = abs(chance.gauss(0, 0.002))
    told = {
        "open": round(price, 2), "close": round(close, 2), "high": round(max(price, close) * (1 + wick), 2),
        "low": round(min(price, close) * (1 - wick), 2), "volume": round(chance.expovariate(1 / 900), 3),
        "indicators": {"rsi": round(chance.uniform(25, 75), 1)},
    }  # fmt: skip
    return told, close
