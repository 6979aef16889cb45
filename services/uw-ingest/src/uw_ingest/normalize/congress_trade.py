"""Trades that members of the US congress disclosed. Pure."""

import re
from datetime import date, datetime, timedelta
from typing import Any

from baleen_contracts.congress_trade import CongressTrade
from uw_ingest.normalize.row import Row, unblank

_DOLLARS = re.compile(r"\$?\s*([0-9][0-9,]*(?:\.[0-9]+)?)")
_IN_TIME = timedelta(days=45)  # the STOCK Act's deadline


def congress_trade(row: Row, received_at: datetime, _ticker: str | None = None) -> CongressTrade:
    """Turn a disclosed trade into a contract message, the same from every endpoint that tells it."""
    get = unblank(row).get
    traded, filed = _day(get("transaction_date")), _day(get("filed_at_date"))
    low, high = amount_range(get("amounts"))
    return CongressTrade.model_validate(
        {
            "occurred_at": f"{filed.isoformat()}T00:00:00Z" if filed else None,
            "received_at": received_at,
            "politician": get("name") or get("reporter"),
            "politician_id": get("politician_id"),
            "reporter": get("reporter"),
            "chamber": get("member_type"),
            "is_active": get("is_active"),
            "symbol": get("ticker"),
            "owner": get("issuer"),
            "transaction_type": get("txn_type"),
            "amount": get("amounts"),
            "amount_low": low,
            "amount_high": high,
            "traded_on": traded,
            "filed_on": filed,
            "is_late": filed - traded > _IN_TIME if filed and traded else None,
            "notes": get("notes"),
        }
    )


def amount_range(text: Any) -> tuple[float | None, float | None]:
    """Read ``"$1,001 - $15,000"`` as dollars; a single or open-ended amount has no high end."""
    if not isinstance(text, str):
        return None, None
    found = [float(number.replace(",", "")) for number in _DOLLARS.findall(text)[:2]]
    return (found[0] if found else None), (found[1] if len(found) > 1 else None)


def _day(text: Any) -> date | None:
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        return None
