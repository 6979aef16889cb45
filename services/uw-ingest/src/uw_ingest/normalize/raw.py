"""Channels without a contract of their own, carried in upstream's words. Pure."""

from datetime import datetime

from baleen_contracts.raw import Raw
from uw_ingest.normalize.row import Row, moment, shallow


def raw(channel: str, ticker: str | None, row: Row, received_at: datetime) -> Raw:
    """Wrap a payload; its time and key are looked for where upstream usually puts them."""
    key = ticker or row.get("ticker") or row.get("option_symbol") or row.get("symbol")
    found = moment(row.get("tape_time"), row.get("timestamp"), row.get("time"), row.get("executed_at"))
    return Raw.model_validate(
        {
            "occurred_at": found or received_at,
            "received_at": received_at,
            "channel": channel,
            "key": key,
            "payload": shallow(row),
        }
    )
