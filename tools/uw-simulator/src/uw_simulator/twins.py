"""What REST tells of a record that the socket said: other names, numbers as strings, another order. Pure.

Both tell of the same fact, so both have one identity downstream.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

import orjson

from baleen_contracts.option_symbol import OptionSymbol
from uw_simulator.market.universe import LISTINGS
from uw_simulator.samples import iso

Row = dict[str, Any]

_LISTED = {listing.symbol: listing for listing in LISTINGS}
_SAME = (
    "id", "rule_id", "ticker", "option_chain", "total_size", "trade_count", "expiry_count", "volume",
    "open_interest", "start_time", "end_time", "has_sweep", "has_floor", "has_multileg",
    "has_singleleg", "all_opening_trades", "bid", "ask",
)  # fmt: skip
_STRINGED = (
    "price", "underlying_price", "total_premium", "total_ask_side_prem", "total_bid_side_prem",
    "volume_oi_ratio",
)  # fmt: skip
_FIRST_TRACKED = 10**13  # tracking ids seen lately are of this size


def flow_alert_row(payload: bytes, said_at: float) -> Row:
    """Return the REST row of a flow alert that the socket said at *said_at*, epoch seconds."""
    told = orjson.loads(payload)
    contract = OptionSymbol.parse(told["option_chain"])
    listing = _LISTED.get(told.get("ticker"))
    volatility = _text(_volatility(told, contract, said_at))
    return {
        **{key: told.get(key) for key in _SAME},
        **{key: _text(told.get(key)) for key in _STRINGED},
        "alert_rule": told.get("rule_name"),
        "type": contract.option_type,
        "strike": f"{contract.strike:g}",
        "expiry": str(contract.expiry),
        "created_at": iso_micros(said_at),
        "iv_start": volatility,
        "iv_end": volatility,
        "sector": listing.sector if listing else None,
        "marketcap": str(listing.marketcap) if listing and listing.marketcap else None,
        "next_earnings_date": None,
        "er_time": None,
    }


def print_row(payload: bytes, _said_at: float) -> Row:
    """Return the REST row of a print of the lit or the off-lit tape."""
    told = orjson.loads(payload)
    off_lit = told.get("type") == "off_lit"
    same = (
        "price", "size", "volume", "executed_at", "nbbo_bid", "nbbo_ask", "nbbo_bid_quantity",
        "nbbo_ask_quantity", "trade_settlement", "sale_cond_codes", "trade_code", "ext_hour_sold_codes",
    )  # fmt: skip
    row = {
        "ticker": told["symbol"],
        **{key: told.get(key) for key in same},
        "premium": f"{float(told['price']) * told['size']:.2f}",
        "canceled": False,
        "tracking_id": _FIRST_TRACKED + crc32(payload),
        "market_center": "L" if off_lit else "Q",
    }
    if off_lit:
        executed = told.get("trf_executed_at")
        row["trf_executed_at"] = f"{executed[:19]}Z" if executed else None
    return row


TWINS = {"flow-alerts": flow_alert_row, "off_lit_trades": print_row, "lit_trades": print_row}
"""By channel, how its records look on REST."""


def _volatility(told: Row, contract: OptionSymbol, said_at: float) -> float | None:
    """Return about the volatility that the price of an option at the money implies."""
    level = told.get("underlying_price")
    if not level:
        return None
    days = max((contract.expiry - datetime.fromtimestamp(said_at, UTC).date()).days, 1)
    return float(told["price"]) / float(level) * math.sqrt(2 * math.pi * 365 / days)


def iso_micros(at: float) -> str:
    """Return epoch seconds as REST writes the moment a row was made."""
    whole, micros = divmod(round(at * 1_000_000), 1_000_000)
    return f"{iso(whole * 1000)[:19]}.{micros:06d}Z"


def _text(value: float | str | None) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return f"{value:.15g}"
