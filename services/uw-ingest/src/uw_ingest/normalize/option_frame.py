"""An option print straight from the bytes of its frame. Pure.

The firehose is nine tenths of all frames. Here one pass of the contract's own validator reads the JSON,
checks every field and makes the message, without a dictionary in between; that takes half the time of
``decode`` and ``option_trade``, whose results it equals. Whatever is unusual about a frame is left to those
two, which also know the word for it.
"""

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal

import orjson
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from baleen_contracts.fields import Price, Utc
from baleen_contracts.option_symbol import OptionSymbol
from baleen_contracts.option_trade import OptionTrade, SentimentText, SideText
from uw_ingest.decode import MAX_CHANNEL_CHARS, MAX_FRAME_BYTES
from uw_ingest.normalize.option_trade import root_of, side_and_sentiment
from uw_ingest.normalize.row import codes

OPENING = b'["option_trades'
"""How a frame begins that is worth a try here."""

_UPSTREAM = {
    "occurred_at": "executed_at",
    "recorded_at": "created_at",
    "symbol": "underlying_symbol",
    "theoretical_price": "theo",
    "ask_volume": "ask_vol",
    "bid_volume": "bid_vol",
    "mid_volume": "mid_vol",
    "no_side_volume": "no_side_vol",
    "multi_leg_volume": "multi_vol",
    "stock_multi_leg_volume": "stock_multi_vol",
}
_WithheldPrice = Annotated[Price | Literal[""] | None, Field(union_mode="left_to_right")]
_LATER = datetime(1970, 1, 1, tzinfo=UTC)


class OptionFrame(OptionTrade):
    """An option trade under upstream's names; what the row does not say outright is filled in after."""

    model_config: ClassVar[ConfigDict] = ConfigDict(alias_generator=lambda name: _UPSTREAM.get(name, name))

    received_at: Utc = _LATER
    side: SideText = "none"
    sentiment: SentimentText = "neutral"
    underlying_price: _WithheldPrice = None  # type: ignore[assignment]  # "" becomes None before anybody sees it
    trade_code: Annotated[str, Field(max_length=1_000)] = ""
    canceled: bool = False

    def to_json(self) -> bytes:
        """The body as it travels; absent fields are rare enough to be looked for afterwards."""
        body = orjson.dumps(self.__dict__, option=orjson.OPT_UTC_Z)
        if b":null" in body:
            present = {name: value for name, value in self.__dict__.items() if value is not None}
            return orjson.dumps(present, option=orjson.OPT_UTC_Z)
        return body


_Channel = Annotated[str, Field(max_length=MAX_CHANNEL_CHARS)]
_read = TypeAdapter(tuple[_Channel, OptionFrame]).validator.validate_json


def option_frame(body: bytes, received_at: datetime) -> tuple[str, OptionFrame] | None:
    """Read a frame of the option tape; ``None`` when it is anything else, or not quite as it should be."""
    if len(body) > MAX_FRAME_BYTES:
        return None
    try:
        channel, trade = _read(body)
        option = OptionSymbol.parse(trade.option_symbol)
    except (ValidationError, ValueError):
        return None
    if trade.canceled or (channel != "option_trades" and not channel.startswith("option_trades:")):
        return None
    fields = trade.__dict__  # the message is frozen from here on; nobody has seen it yet
    fields["received_at"] = received_at
    if trade.symbol != option.underlying:
        fields["symbol"] = root_of(trade.symbol, option)
    fields["expiry"] = option.expiry
    fields["option_type"] = option.option_type
    fields["strike"] = option.strike
    fields["side"], fields["sentiment"] = side_and_sentiment(trade.tags, option.option_type)
    fields["trade_codes"] = codes(fields.pop("trade_code") or None)
    if fields["underlying_price"] == "":
        fields["underlying_price"] = None
    del fields["canceled"]
    return channel, trade
