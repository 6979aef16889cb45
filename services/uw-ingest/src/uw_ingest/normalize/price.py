"""Last prices of stocks. Pure."""

from datetime import datetime

from baleen_contracts.price import Price
from uw_ingest.normalize.row import Row, unblank


def price(row: Row, received_at: datetime, ticker: str | None = None) -> Price:
    """Turn one price into a contract message; older frames name the ticker only in the channel."""
    get = unblank(row).get
    return Price.model_validate(
        {
            "occurred_at": get("time"),
            "received_at": received_at,
            "symbol": get("ticker") or ticker,
            "price": get("close"),
            "volume": get("vol"),
        }
    )
