"""Option prints, from the socket and from REST. Pure."""

from datetime import datetime
from typing import Any

from baleen_contracts.option_symbol import OptionSymbol
from baleen_contracts.option_trade import OptionTrade
from uw_ingest.errors import Refused
from uw_ingest.normalize.row import Row, codes, occ, unblank
from uw_ingest.refusals import Refusal

_ASK, _BID, _MID = "ask", "bid", "mid"
_BULLISH = {("ask", "call"), ("bid", "put")}


def option_trade(row: Row, received_at: datetime, _ticker: str | None = None) -> OptionTrade:
    """Turn one print into a contract message.

    Expiry, type and strike come from the OCC symbol, side and sentiment from the tags: the row has no field
    for either.
    """
    get = unblank(row).get
    if get("canceled") is True:
        raise Refused(Refusal.CANCELED)
    text = get("option_symbol") or get("option_chain_id")
    option = occ(text)
    tags = get("tags") or ()
    side = side_of(tags)
    return OptionTrade.model_validate(
        {
            "id": get("id"),
            "occurred_at": get("executed_at"),
            "received_at": received_at,
            "symbol": root_of(get("underlying_symbol"), option),
            "option_symbol": text,
            "expiry": option.expiry,
            "option_type": option.option_type,
            "strike": option.strike,
            "price": get("price"),
            "premium": get("premium"),
            "size": get("size"),
            "side": side,
            "sentiment": sentiment_of(tags, side, option.option_type),
            "underlying_price": get("underlying_price"),
            "volume": get("volume"),
            "open_interest": get("open_interest"),
            "nbbo_bid": get("nbbo_bid"),
            "nbbo_ask": get("nbbo_ask"),
            "ewma_nbbo_bid": get("ewma_nbbo_bid"),
            "ewma_nbbo_ask": get("ewma_nbbo_ask"),
            "implied_volatility": get("implied_volatility"),
            "delta": get("delta"),
            "gamma": get("gamma"),
            "theta": get("theta"),
            "vega": get("vega"),
            "rho": get("rho"),
            "theoretical_price": get("theo"),
            "ask_volume": get("ask_vol"),
            "bid_volume": get("bid_vol"),
            "mid_volume": get("mid_vol"),
            "no_side_volume": get("no_side_vol"),
            "multi_leg_volume": get("multi_vol"),
            "stock_multi_leg_volume": get("stock_multi_vol"),
            "exchange": get("exchange"),
            "trade_codes": codes(get("trade_code") or get("upstream_condition_detail")),
            "report_flags": get("report_flags") or (),
            "tags": tags,
            "recorded_at": get("created_at"),
        }
    )


def side_of(tags: Any) -> str:
    """Where the print stood against the quote; late, out-of-sequence and cross prints stood nowhere."""
    if "ask_side" in tags:
        return _ASK
    if "bid_side" in tags:
        return _BID
    return _MID if "mid_side" in tags else "none"


def sentiment_of(tags: Any, side: str, option_type: str) -> str:
    """Upstream's tag where there is one, else what the side suggests."""
    if "bullish" in tags:
        return "bullish"
    if "bearish" in tags:
        return "bearish"
    if "neutral" in tags or side not in (_ASK, _BID):
        return "neutral"
    return "bullish" if (side, option_type) in _BULLISH else "bearish"


def root_of(underlying: Any, option: OptionSymbol) -> Any:
    """Return the symbol a trade is filed under: the underlying, with weekly index roots kept apart.

    Weekly SPX prints have been seen under both SPX and SPXW; adjusted contracts (a digit after the root)
    belong to their underlying.
    """
    root = option.underlying
    if underlying is None or (root != underlying and root.startswith(str(underlying)) and root.isalpha()):
        return root
    return underlying
