"""The flat fields that FlowMind's widgets for one ticker read, made from contract messages. Pure.

Names, spellings and types are the widgets'; all numbers are JSON numbers. What the message does not tell is
null where a widget shows "N/A" for it, and absent elsewhere; nothing is made up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

BLOCK_SHARES: Final = 10_000
"""From how many shares on the widget calls a print a block."""

_SIDES: Final = {"ask": "BUY", "bid": "SELL"}
_CONDITIONS: Final = ("settlement", "trade_code", "sale_condition", "extended_hours_code")
_ORDINARY: Final = "regular"


def gex_row(gex: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the exposure of a ticker in dollars per 1 % move; None where it is unknown.

    The upstream tells the sum of calls and puts only, and no level of zero gamma.
    """
    net = gex.get("gamma_oi")
    if net is None:
        return None
    return {
        "symbol": gex["symbol"],
        "total_gex": net,
        "net_gex": net,
        "call_gex": None,
        "put_gex": None,
        "zero_gamma_level": None,
    }


def gex_strike_expiry_row(gex: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return one cell of the matrix; None where calls or puts are unknown, since the widget averages them."""
    call, put = gex.get("call_gamma_oi"), gex.get("put_gamma_oi")
    if call is None or put is None:
        return None
    return {
        "symbol": gex["symbol"],
        "strike": gex["strike"],
        "expiry": gex["expiry"],
        "call_gex": call,
        "put_gex": put,
        "net_gex": call + put,
    }


def option_trade_row(trade: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of an option print; `side` is BUY at the ask, SELL at the bid, else MID or NONE."""
    return {
        "symbol": trade["symbol"],
        "strike": trade["strike"],
        "expiry": trade["expiry"],
        "type": trade["option_type"].upper(),
        "side": _SIDES.get(trade["side"], trade["side"].upper()),
        "price": trade["price"],
        "quantity": trade["size"],
        "premium": trade["premium"],
    }


def lit_trade_row(trade: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a print on an exchange; the upstream's socket names neither exchange nor tape."""
    return {**_print(trade), **_named(trade, "exchange")}


def off_lit_trade_row(trade: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a print off the exchanges; `notional` is in dollars, a venue there only if known."""
    size = trade["size"]
    more = {"notional": trade["premium"], "is_block": size >= BLOCK_SHARES}
    return {**_print(trade), **more, **_named(trade, "venue")}


def _print(trade: Mapping[str, Any]) -> dict[str, Any]:
    row = {"symbol": trade["symbol"], "price": trade["price"], "size": trade["size"]}
    told = [word for key in _CONDITIONS if (word := trade.get(key)) and word != _ORDINARY]
    return {**row, "conditions": told} if told else row


def _named(trade: Mapping[str, Any], name: str) -> dict[str, Any]:
    venue = trade.get("market_center")
    return {} if venue is None else {name: venue}
