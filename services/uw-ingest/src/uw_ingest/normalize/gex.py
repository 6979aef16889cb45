"""Dealer exposures: of a ticker, of a strike, of a strike at an expiry. Pure."""

from datetime import datetime
from typing import Any

from baleen_contracts.gex import Gex, GexStrike, GexStrikeExpiry
from uw_ingest.normalize.row import Row, unblank

_MOVE = "_per_one_percent_move"


def gex(row: Row, received_at: datetime, ticker: str | None = None) -> Gex:
    """Turn a ticker's exposure into a contract message; blank deltas are left out."""
    return Gex.model_validate(_fields(row, received_at, ticker))


def gex_strike(row: Row, received_at: datetime, ticker: str | None = None) -> GexStrike:
    """Turn a strike's exposure into a contract message."""
    return GexStrike.model_validate(_fields(row, received_at, ticker))


def gex_strike_expiry(row: Row, received_at: datetime, ticker: str | None = None) -> GexStrikeExpiry:
    """Turn the exposure of a strike at one expiry into a contract message."""
    return GexStrikeExpiry.model_validate(_fields(row, received_at, ticker))


def _fields(row: Row, received_at: datetime, ticker: str | None) -> dict[str, Any]:
    fields = {key.replace(_MOVE, ""): value for key, value in row.items() if value != ""}
    get = unblank(row).get
    fields["symbol"] = get("ticker") or ticker
    fields["occurred_at"] = get("timestamp")
    fields["received_at"] = received_at
    return fields
