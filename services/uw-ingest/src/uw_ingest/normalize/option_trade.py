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

_validate = OptionTrade.__pydantic_validator__.validate_python  # model_validate, less one call


def option_trade(row: Row, received_at: datetime, _ticker: str | None = None) -> OptionTrade:
    """Turn one print into a contract message.

    Expiry, type and strike come from the OCC symbol, side and sentiment from the tags: the row has no field
    for either. The busiest code of the service: fields that upstream calls as we do stay in place, and the
    contract ignores what it does not know.
    """
    if row.get("canceled") is True:
        raise Refused(Refusal.CANCELED)
    fields = dict(unblank(row))
    get = fields.get
    text = get("option_symbol") or get("option_chain_id")
    option = occ(text)
    tags = fields["tags"] = get("tags") or ()
    side = side_of(tags)
    fields["occurred_at"] = get("executed_at")
    fields["received_at"] = received_at
    fields["symbol"] = root_of(get("underlying_symbol"), option)
    fields["option_symbol"] = text
    fields["expiry"] = option.expiry
    fields["option_type"] = option.option_type
    fields["strike"] = option.strike
    fields["side"] = side
    fields["sentiment"] = sentiment_of(tags, side, option.option_type)
    fields["theoretical_price"] = get("theo")
    fields["ask_volume"] = get("ask_vol")
    fields["bid_volume"] = get("bid_vol")
    fields["mid_volume"] = get("mid_vol")
    fields["no_side_volume"] = get("no_side_vol")
    fields["multi_leg_volume"] = get("multi_vol")
    fields["stock_multi_leg_volume"] = get("stock_multi_vol")
    fields["trade_codes"] = codes(get("trade_code") or get("upstream_condition_detail"))
    fields["report_flags"] = get("report_flags") or ()
    fields["recorded_at"] = get("created_at")
    trade: OptionTrade = _validate(fields)
    return trade


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
