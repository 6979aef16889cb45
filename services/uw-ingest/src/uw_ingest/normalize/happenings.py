"""Things that happen: headlines, trading halts, the account's own alerts. Pure."""

from datetime import datetime

from baleen_contracts.happenings import CustomAlert, News, TradingHalt
from uw_ingest.normalize.row import Row, shallow, unblank


def news(row: Row, received_at: datetime, _ticker: str | None = None) -> News:
    """Turn a headline, from the socket or from REST, into a contract message."""
    get = unblank(row).get
    return News.model_validate(
        {
            "occurred_at": get("timestamp") or get("created_at"),
            "received_at": received_at,
            "headline": get("headline"),
            "source": get("source"),
            "symbols": get("tickers") or (),
            "is_truth_social": get("is_trump_ts"),
            "is_major": get("is_major"),
            "sentiment": get("sentiment"),
            "tags": get("tags") or (),
        }
    )


def trading_halt(row: Row, received_at: datetime, _ticker: str | None = None) -> TradingHalt:
    """Turn a change of a stock's trading state into a contract message."""
    get = unblank(row).get
    return TradingHalt.model_validate(
        {
            "occurred_at": get("time"),
            "received_at": received_at,
            "symbol": get("ticker"),
            "state": get("state"),
            "reason": get("reason"),
        }
    )


def custom_alert(row: Row, received_at: datetime, _ticker: str | None = None) -> CustomAlert:
    """Turn one of the account's own alerts into a contract message; whose account it is stays behind."""
    get = unblank(row).get
    return CustomAlert.model_validate(
        {
            "occurred_at": get("tape_time"),
            "received_at": received_at,
            "name": get("name"),
            "alert_type": get("noti_type"),
            "config_id": get("user_noti_config_id"),
            "symbol": get("symbol"),
            "symbol_type": get("symbol_type"),
            "details": shallow(get("meta") or {}),
        }
    )
