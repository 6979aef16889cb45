"""Prints of the stock tape, on and off the exchanges, from the socket and from REST. Pure."""

from datetime import datetime
from typing import Any

from baleen_contracts.equity_print import DarkPool, LitTrade
from uw_ingest.errors import Refused
from uw_ingest.normalize.row import Row, product, unblank
from uw_ingest.refusals import Refusal


def dark_pool(row: Row, received_at: datetime, _ticker: str | None = None) -> DarkPool:
    """Turn one off-exchange print into a contract message."""
    return DarkPool.model_validate(_fields(row, received_at))


def lit_trade(row: Row, received_at: datetime, _ticker: str | None = None) -> LitTrade:
    """Turn one on-exchange print into a contract message."""
    return LitTrade.model_validate(_fields(row, received_at))


def _fields(row: Row, received_at: datetime) -> dict[str, Any]:
    get = unblank(row).get
    if get("canceled") is True:
        raise Refused(Refusal.CANCELED)
    price, size = get("price"), get("size")
    return {
        "occurred_at": get("executed_at"),
        "received_at": received_at,
        "symbol": get("symbol") or get("ticker"),
        "price": price,
        "size": size,
        "premium": get("premium") or product(price, size),
        "volume": get("volume"),
        "nbbo_bid": get("nbbo_bid"),
        "nbbo_ask": get("nbbo_ask"),
        "nbbo_bid_size": get("nbbo_bid_quantity"),
        "nbbo_ask_size": get("nbbo_ask_quantity"),
        "settlement": get("trade_settlement"),
        "trade_code": get("trade_code"),
        "extended_hours_code": get("ext_hour_sold_codes"),
        "sale_condition": get("sale_cond_codes"),
        "trf_executed_at": get("trf_executed_at"),
        "tracking_id": get("tracking_id") or None,  # 0 is upstream's "none"
        "market_center": get("market_center"),
        "sector": get("sector"),
        "issue_type": get("issue_type"),
        "average_volume_30d": get("avg30_volume"),
        "market_cap": get("marketcap"),
        "next_earnings_date": get("next_earnings_date"),
    }
