"""An option print straight from the bytes of its frame. Pure.

The firehose is nine tenths of all frames. Here one pass of a compiled decoder reads the JSON, checks every
field by the contract's rules and makes an object, without a dictionary in between; that takes a third of the
time of ``decode`` and ``option_trade``, whose results it equals. Whatever is unusual about a frame is left to
those two, which also know the word for it. ``test_option_frame.py`` holds the rules here to the contract's.
Two spellings that upstream does not use are read only here: a quoted count with an exponent, a quoted null.
"""

from datetime import UTC, date, datetime
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, MsgspecError, Struct, field
from msgspec.json import Decoder, Encoder

from baleen_contracts.fields import MAX_COUNT
from baleen_contracts.option_symbol import OptionSymbol
from baleen_contracts.option_trade import OptionTrade
from baleen_contracts.tokens import symbol_token
from uw_ingest.normalize.option_trade import root_of, side_and_sentiment
from uw_ingest.normalize.row import FIRST_MOMENT, LAST_MOMENT, split
from uw_ingest.upstream.decode import MAX_CHANNEL_CHARS, MAX_FRAME_BYTES

OPENING = b'["option_trades'
"""How a frame begins that is worth a try here."""

_BACKSLASH = 0x5C  # as a number it is found ten times as soon
_DELETE = "\x7f"

_Moment = Annotated[int, Meta(ge=FIRST_MOMENT, lt=LAST_MOMENT)]  # epoch milliseconds
_Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
_Price = Annotated[float, Meta(ge=0, le=1e9)]
_Premium = Annotated[float, Meta(ge=0, le=1e18)]
_Number = Annotated[float, Meta(ge=-1e18, le=1e18)]
_Symbol = Annotated[str, Meta(min_length=1, max_length=64)]
_Labels = Annotated[tuple[Annotated[str, Meta(max_length=64)], ...], Meta(max_length=512)]
_Channel = Annotated[str, Meta(max_length=MAX_CHANNEL_CHARS)]


class OptionRow(Struct, gc=False, kw_only=True):
    """A row of the option tape: our names, and upstream's where they differ.

    The fields stand in upstream's order, in which the decoder finds each at once; that saves a fifth of
    reading. Expiry, type and strike are not read: the option symbol says them.
    """

    id: Annotated[str, Meta(min_length=1, max_length=200)]
    symbol: _Symbol = field(name="underlying_symbol")
    occurred_at: _Moment = field(name="executed_at")
    nbbo_bid: _Price | None = None
    nbbo_ask: _Price | None = None
    size: _Count
    price: _Price
    option_symbol: Annotated[str, Meta(min_length=16, max_length=24)]
    recorded_at: _Moment | None = field(name="created_at", default=None)
    report_flags: _Labels = ()
    tags: _Labels = ()
    open_interest: _Count | None = None
    premium: _Premium
    volume: _Count | None = None
    underlying_price: _Price | Literal[""] | None = None  # withheld from index prints
    ewma_nbbo_ask: _Price | None = None
    ewma_nbbo_bid: _Price | None = None
    implied_volatility: _Number | None = None
    delta: _Number | None = None
    theta: _Number | None = None
    gamma: _Number | None = None
    vega: _Number | None = None
    rho: _Number | None = None
    theoretical_price: _Number | None = field(name="theo", default=None)
    trade_code: Annotated[str, Meta(max_length=64)] | None = None
    exchange: _Symbol | None = None
    ask_volume: _Count | None = field(name="ask_vol", default=None)
    bid_volume: _Count | None = field(name="bid_vol", default=None)
    no_side_volume: _Count | None = field(name="no_side_vol", default=None)
    mid_volume: _Count | None = field(name="mid_vol", default=None)
    multi_leg_volume: _Count | None = field(name="multi_vol", default=None)
    stock_multi_leg_volume: _Count | None = field(name="stock_multi_vol", default=None)
    upstream_condition_detail: Annotated[str, Meta(max_length=64)] | None = None
    canceled: bool = False


class OptionPrint(Struct, omit_defaults=True, gc=False):
    """What :class:`OptionTrade` is, as a checked row makes it: the same body, subject and identity."""

    entity: ClassVar[str] = OptionTrade.entity
    type: ClassVar[str] = OptionTrade.type

    occurred_at: datetime
    received_at: datetime
    id: str
    symbol: str
    option_symbol: str
    expiry: date
    option_type: str
    strike: float
    price: float
    premium: float
    size: int
    side: str
    sentiment: str
    trade_codes: tuple[str, ...]
    report_flags: tuple[str, ...]
    tags: tuple[str, ...]
    underlying_price: float | None = None
    volume: int | None = None
    open_interest: int | None = None
    nbbo_bid: float | None = None
    nbbo_ask: float | None = None
    ewma_nbbo_bid: float | None = None
    ewma_nbbo_ask: float | None = None
    implied_volatility: float | None = None
    delta: float | None = None
    gamma: float | None = None
    theta: float | None = None
    vega: float | None = None
    rho: float | None = None
    theoretical_price: float | None = None
    ask_volume: int | None = None
    bid_volume: int | None = None
    mid_volume: int | None = None
    no_side_volume: int | None = None
    multi_leg_volume: int | None = None
    stock_multi_leg_volume: int | None = None
    exchange: str | None = None
    recorded_at: datetime | None = None

    @property
    def subject(self) -> str:
        """One subject per underlying root."""
        return "uw.v1.option_trade." + symbol_token(self.symbol)

    @property
    def message_id(self) -> str:
        """The upstream's id."""
        return "option_trade:" + self.id

    def to_json(self) -> bytes:
        """The body as it travels: absent fields left out, times as ISO-8601 with ``Z``."""
        return _write(self)


_read = Decoder(tuple[_Channel, OptionRow], strict=False).decode
_write = Encoder().encode
_parse = OptionSymbol.parse
_moment = datetime.fromtimestamp


def option_frame(body: bytes, received_at: datetime) -> tuple[str, OptionPrint] | None:
    """Read a frame of the option tape; ``None`` when it is anything else, or not quite as it should be."""
    if len(body) > MAX_FRAME_BYTES or not body.isascii() or _BACKSLASH in body:
        return None  # what is neither foreign nor escaped is text as it stands, whoever reads it
    try:
        channel, row = _read(body)
        option = _parse(row.option_symbol)
    except (MsgspecError, ValueError):
        return None
    if channel != "option_trades" and not channel.startswith("option_trades:"):
        return None
    if row.canceled or option.strike <= 0 or " " in row.id or _DELETE in row.id:
        return None  # of what an id may not hold, other than these two no text of JSON came this far
    return channel, _print_of(row, option, received_at)


def _print_of(row: OptionRow, option: OptionSymbol, received_at: datetime) -> OptionPrint:
    tags, recorded_at, underlying_price = row.tags, row.recorded_at, row.underlying_price
    side, sentiment = side_and_sentiment(tags, option.option_type)
    return OptionPrint(
        _moment(row.occurred_at / 1_000, UTC),
        received_at,
        row.id,
        row.symbol if row.symbol == option.underlying else root_of(row.symbol, option),
        row.option_symbol,
        option.expiry,
        option.option_type,
        option.strike,
        row.price,
        row.premium,
        row.size,
        side,
        sentiment,
        split(row.trade_code or row.upstream_condition_detail or ""),
        row.report_flags,
        tags,
        None if underlying_price == "" else underlying_price,
        row.volume,
        row.open_interest,
        row.nbbo_bid,
        row.nbbo_ask,
        row.ewma_nbbo_bid,
        row.ewma_nbbo_ask,
        row.implied_volatility,
        row.delta,
        row.gamma,
        row.theta,
        row.vega,
        row.rho,
        row.theoretical_price,
        row.ask_volume,
        row.bid_volume,
        row.mid_volume,
        row.no_side_volume,
        row.multi_leg_volume,
        row.stock_multi_leg_volume,
        row.exchange,
        None if recorded_at is None else _moment(recorded_at / 1_000, UTC),
    )
