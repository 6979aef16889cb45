"""Option prints, from the socket and from REST. Pure."""

from datetime import datetime
from functools import lru_cache
from typing import Any

from baleen_contracts.option_symbol import OptionSymbol
from baleen_contracts.option_trade import OptionTrade
from uw_ingest.errors import Refused
from uw_ingest.normalize.row import Row, codes, occ, unblank
from uw_ingest.refusals import Refusal

_SIDES = {"ask_side": "ask", "bid_side": "bid", "mid_side": "mid"}
_validate = OptionTrade.__pydantic_validator__.validate_python  # model_validate, less one call


def option_trade(row: Row, received_at: datetime, _ticker: str | None = None) -> OptionTrade:
    """Turn one print into a contract message.

    Expiry, type and strike come from the OCC symbol, side and sentiment from the tags: the row has no field
    for either. Fields that upstream calls as we do stay in place; the contract ignores what it does not know.
    """
    if row.get("canceled") is True:
        raise Refused(Refusal.CANCELED)
    fields = dict(unblank(row))
    get = fields.get
    text = get("option_symbol") or get("option_chain_id")
    option = occ(text)
    listed = get("tags") or []
    if type(listed) is not list:
        raise Refused(Refusal.WRONG_TYPE)
    tags = fields["tags"] = tuple(listed)
    fields["occurred_at"] = get("executed_at")
    fields["received_at"] = received_at
    fields["symbol"] = root_of(get("underlying_symbol"), option)
    fields["option_symbol"] = text
    fields["expiry"] = option.expiry
    fields["option_type"] = option.option_type
    fields["strike"] = option.strike
    fields["side"], fields["sentiment"] = side_and_sentiment(tags, option.option_type)
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


@lru_cache(maxsize=4_096)
def side_and_sentiment(tags: tuple[str, ...], option_type: str) -> tuple[str, str]:
    """Return where the print stood against the quote and what that suggests.

    Late, out-of-sequence and cross prints stood nowhere. Upstream's own sentiment tag wins over the side's.
    """
    side = next((side for tag, side in _SIDES.items() if tag in tags), "none")
    if "bullish" in tags:
        return side, "bullish"
    if "bearish" in tags:
        return side, "bearish"
    if "neutral" in tags or side not in ("ask", "bid"):
        return side, "neutral"
    return side, "bullish" if (side == "ask") == (option_type == "call") else "bearish"


def root_of(underlying: Any, option: OptionSymbol) -> Any:
    """Return the symbol a trade is filed under: the underlying, with weekly index roots kept apart.

    Weekly SPX prints have been seen under both SPX and SPXW; adjusted contracts (a digit after the root)
    belong to their underlying.
    """
    root = option.underlying
    if underlying is None or (root != underlying and root.startswith(str(underlying)) and root.isalpha()):
        return root
    return underlying
