"""The flat fields that FlowMind's four widgets read, made from contract messages. Pure.

Names, spellings and types are the widgets'; all numbers are JSON numbers. A message of which a price or a
change is unknown gives None rather than a made-up zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

OPTION_MULTIPLIER: Final = 100
"""Shares in an option contract: premium = price x size x 100."""

_BUYS: Final = ("buy", "purchase")
_SELLS: Final = ("sell", "sale")


def flow_row(alert: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a flow alert; a missing fill price is the average of the window's premium."""
    size: int = alert.get("size", 0)
    premium: float = alert["premium"]
    price = alert.get("price")
    if price is None:
        price = premium / (size * OPTION_MULTIPLIER) if size else 0.0
    return {
        "symbol": alert["symbol"],
        "strike": alert["strike"],
        "expiry": alert["expiry"],
        "kind": alert["option_type"].upper(),
        "side": _side(alert),
        "quantity": size,
        "price": price,
        "premium": premium,
        "is_sweep": bool(alert.get("has_sweep")),
    }


def mover_row(mover: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the row of a market mover; None where its price or its change is unknown, or it moves no more.

    `changePercent` is in percent. A change that only the percentage tells is worked out from it.
    """
    price, percent = mover.get("price"), mover.get("change_percent")
    if price is None or percent is None or not mover.get("lists"):
        return None
    change = mover.get("change")
    if change is None:
        change = price - price / (1 + percent / 100) if percent > -100 else -price  # noqa: PLR2004 - percent
    return {
        "symbol": mover["symbol"],
        "price": price,
        "change": change,
        "changePercent": percent,
        "volume": mover.get("volume", 0),
    }


def dark_pool_row(trade: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a print; the upstream names no venue on its socket, so `exchange` is often absent."""
    row = {
        "symbol": trade["symbol"],
        "quantity": trade["size"],
        "price": trade["price"],
        "value": trade["premium"],
    }
    venue = trade.get("market_center")
    return row if venue is None else {**row, "exchange": venue}


def congress_row(trade: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a disclosed trade.

    The badge looks for "purchase", the filter for "buy" and "sell", so `transaction_type` has both words;
    what was filed is kept in `transaction_type_filed`. An open range ends where it starts. The upstream does
    not tell the party; without one the widget shows no badge.
    """
    low = trade.get("amount_low", 0)
    return {
        "representative": trade["politician"],
        "symbol": trade.get("symbol", "N/A"),
        "transaction_type": _transaction_type(trade["transaction_type"]),
        "transaction_type_filed": trade["transaction_type"],
        "amount_min": low,
        "amount_max": trade.get("amount_high", low),
        "transaction_date": trade["traded_on"],
        "disclosure_date": trade["filed_on"],
        "party": trade.get("party"),
    }


def _side(alert: Mapping[str, Any]) -> str:
    """Say who was in a hurry: the buyer unless more premium traded on the bid side."""
    return "SELL" if alert.get("bid_side_premium", 0) > alert.get("ask_side_premium", 0) else "BUY"


def _transaction_type(filed: str) -> str:
    words = filed.lower()
    if any(word in words for word in _BUYS):
        return "purchase (buy)"
    if any(word in words for word in _SELLS):
        return "sale (sell)"
    return words
