"""What the demo publishers say beside their sessions: signals, market data, insights, a narrative. Pure.

Everything is made up. It exists so that every route of the gateway has something to show on one machine.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from baleen_contracts.message import Message
from baleen_contracts.signals import AgentInsight, MarketData, Narrative, Signal
from uw_simulator.market.chance import Chance
from uw_simulator.market.market import Market

TICKERS = ("SPY", "QQQ", "NVDA", "TSLA", "AAPL")
_AGENTS = ("marketagent", "flowagent", "riskagent")


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
