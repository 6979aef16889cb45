"""From an upstream row to a contract message, one module per family. Pure.

:func:`from_socket` and :func:`from_rest` are the two doors; both refuse with a reason from the closed list.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from baleen_contracts import Message
from uw_ingest.channels import KINDS
from uw_ingest.errors import Refused
from uw_ingest.normalize.congress_trade import congress_trade
from uw_ingest.normalize.equity_print import dark_pool, lit_trade
from uw_ingest.normalize.flow_alert import flow_alert
from uw_ingest.normalize.gex import gex, gex_strike, gex_strike_expiry
from uw_ingest.normalize.happenings import custom_alert, news, trading_halt
from uw_ingest.normalize.market_flow import interval_flow, market_tide, net_flow
from uw_ingest.normalize.option_trade import option_trade
from uw_ingest.normalize.price import price
from uw_ingest.normalize.raw import raw
from uw_ingest.normalize.row import Row, reason_of
from uw_ingest.refusals import Refusal

Normalizer = Callable[[Row, datetime, str | None], Message]

SOCKET: dict[str, Normalizer] = {
    "option_trades": option_trade,
    "flow-alerts": flow_alert,
    "lit_trades": lit_trade,
    "off_lit_trades": dark_pool,
    "price": price,
    "gex": gex,
    "gex_strike": gex_strike,
    "gex_strike_expiry": gex_strike_expiry,
    "market_tide": market_tide,
    "net_flow": net_flow,
    "interval_flow": interval_flow,
    "news": news,
    "trading_halts": trading_halt,
    "custom_alerts": custom_alert,
}

REST: dict[str, Normalizer] = {
    "option-trades": option_trade,
    "option-trades/flow-alerts": flow_alert,
    "stock/flow-recent": option_trade,
    "darkpool/recent": dark_pool,
    "darkpool/ticker": dark_pool,
    "lit-flow/recent": lit_trade,
    "congress/recent-trades": congress_trade,
    "congress/late-reports": congress_trade,
    "congress/congress-trader": congress_trade,
    "news/headlines": news,
    "alerts": custom_alert,
}
"""Endpoints whose rows are records of a feed. Those of movers are snapshots: see ``market_mover``."""


_MISTYPED = (TypeError, ValueError, AttributeError, OverflowError)
"""What a normalizer stumbles over when a field holds another type than ever seen."""


def from_socket(channel: str, payload: Row, received_at: datetime, *, joined: bool = False) -> Message:
    """Turn a payload into a message; channels without a contract are carried raw.

    Raises:
        Refused: it cannot become one, or nobody knows or joined the channel.
    """
    name, _, ticker = channel.partition(":")
    normalizer = SOCKET.get(name)
    try:
        if normalizer is not None:
            return normalizer(payload, received_at, ticker or None)
        if joined or name in KINDS:
            return raw(name, ticker or None, payload, received_at)
    except ValidationError as error:
        raise Refused(reason_of(error)) from None
    except _MISTYPED:
        raise Refused(Refusal.WRONG_TYPE) from None
    raise Refused(Refusal.UNKNOWN_CHANNEL)


def from_rest(endpoint: str, body: Any, received_at: datetime) -> Iterator[Message | Refusal]:
    """Turn an answer's rows into messages, each refused one into its reason."""
    rows = body.get("data") if isinstance(body, dict) else body
    normalizer = REST.get(endpoint)
    if not isinstance(rows, list):
        yield Refusal.UNUSED_ENDPOINT if normalizer is None else Refusal.NOT_ROWS
        return
    for row in rows:
        yield _row(normalizer, row, received_at)


def _row(normalizer: Normalizer | None, row: Any, received_at: datetime) -> Message | Refusal:
    if normalizer is None:
        return Refusal.UNUSED_ENDPOINT
    if not isinstance(row, dict):
        return Refusal.BAD_PAYLOAD
    try:
        return normalizer(row, received_at, None)
    except ValidationError as error:
        return reason_of(error)
    except _MISTYPED:
        return Refusal.WRONG_TYPE
    except Refused as refused:
        return refused.reason
