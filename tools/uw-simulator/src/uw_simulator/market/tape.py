"""The option tape: one print after another, fast enough for fifty thousand a second. Pure.

Chance is drawn in advance: two pools of different length say which contract prints next and how. Each print
then costs one template filled in and a few counters. A print on a contract whose quote is older than
`REQUOTE_MS` prices it anew,
so quotes follow the underlying without the whole chain being priced all the time.
"""

from __future__ import annotations

from enum import IntEnum
from itertools import accumulate
from typing import NamedTuple

from uw_simulator.market.chance import Chance
from uw_simulator.market.contracts import Contract, class_tags
from uw_simulator.market.universe import Kind

REQUOTE_MS = 1_000
_PICKS, _MANNERS = 32_768, 16_381  # coprime, so that their combinations do not repeat soon
_EXCHANGES = (
    "AMXO", "ARCO", "BATO", "C2OX", "EDGO", "EMLD", "GMNI", "MCRY", "MPRL", "XBOX", "XBXO", "XCBO", "XISX",
    "XMIO", "XNDQ", "XPHO", "MXOP", "SPHR",
)  # fmt: skip
_CODES = {"auto": 46, "slan": 21, "isoi": 9, "slan,isoi": 3, "slai": 3, "mlet": 6, "mlat": 4, "mesl": 4,
"tlet": 1,
          "cbmo": 1, "slft": 1, "late": 0.6, "oseq": 0.4}  # fmt: skip
_UNSIDED = ("late", "oseq")


class Side(IntEnum):
    """Where a print stood against the market."""

    BID = 0
    ASK = 1
    MID = 2
    NONE = 3


class Manner(NamedTuple):
    """How a print happens, apart from the contract."""

    side: Side
    size: int
    code: str
    exchange: str
    multi: bool
    stock_multi: bool
    sweep: bool
    floor: bool
    late_ms: int
    """From the execution to now."""
    filed_ms: int
    """From the execution to the creation of the record."""


_SENTIMENT = {(Side.ASK, True): "bullish", (Side.BID, False): "bullish", (Side.ASK, False): "bearish",
              (Side.BID, True): "bearish"}  # fmt: skip
_SIDE_TAG = {Side.BID: "bid_side", Side.ASK: "ask_side", Side.MID: "mid_side", Side.NONE: "no_side"}


class Print(NamedTuple):
    """What a flow alert needs to know about a print, beside the record itself."""

    payload: bytes
    id: str
    side: Side
    price: int
    """Cents."""
    premium: int
    """Cents."""


_ASK, _BID, _MID, _NONE = Side.ASK, Side.BID, Side.MID, Side.NONE  # an enum's member costs more to look up


class Tape:
    """Prints on a chain of contracts. `draw` is the next of the day, `fill` one to order."""

    def __init__(self, contracts: list[Contract], chance: Chance, id_prefix: str) -> None:
        weights = list(accumulate(_appetite(contract) for contract in contracts))
        self._picks = chance.choices(contracts, cum_weights=weights, k=_PICKS)
        self._manners = [_manner(chance) for _ in range(_MANNERS)]
        self._tags = {
            (listing.symbol, is_call): tuple(
                _tags(listing.symbol, listing.kind, side, is_call) for side in Side
            )
            for listing in {contract.stock.listing for contract in contracts}
            for is_call in (True, False)
        }
        self._id_prefix = id_prefix
        self._drawn = 0
        self._printed = 0

    def draw(self, now_ms: int) -> tuple[str, bytes]:
        """Return the next print of the tape: its underlying and its record."""
        drawn = self._drawn = self._drawn + 1
        contract = self._picks[drawn % _PICKS]
        return contract.symbol, self.fill(contract, self._manners[drawn % _MANNERS], now_ms).payload

    def pick(self) -> Contract:
        """Return the contract that would print next."""
        return self._picks[(self._drawn + 1) % _PICKS]

    def fill(self, contract: Contract, manner: Manner, now_ms: int) -> Print:
        """Print on *contract* in the given *manner*, priced off its market and counted into its session."""
        if now_ms - contract.quoted_at >= REQUOTE_MS:
            contract.quote(now_ms)
        wanted, size, code, exchange, _multi, _stock, _sweep, _floor, late_ms, filed_ms = manner
        price, side = _priced(contract.bid, contract.ask, wanted)
        premium = price * size * contract.multiplier
        _count(contract, manner, side, premium)
        printed = self._printed = self._printed + 1
        identity = "%s%012x" % (self._id_prefix, printed)  # noqa: UP031 - a third faster, and this is the hot path
        executed_at = now_ms - late_ms
        record = contract.template % (
            identity, executed_at, size, price // 100, price % 100, executed_at + filed_ms,
            self._tags[contract.symbol, contract.is_call][side], premium // 100, premium % 100,
            contract.volume, code, exchange, contract.ask_vol, contract.bid_vol, contract.no_side_vol,
            contract.mid_vol, contract.multi_vol, contract.stock_multi_vol,
        )  # fmt: skip
        return Print(record.encode(), identity, side, price, premium)


def _priced(bid: int, ask: int, wanted: Side) -> tuple[int, Side]:
    """Return the price in cents and the side it really is on: a narrow market has no room for every wish."""
    if wanted is _ASK:
        return ask, wanted
    if wanted is _BID:
        if bid:
            return bid, wanted
        return 1, _BID if ask > 2 else _MID if ask == 2 else _ASK  # noqa: PLR2004 - nobody sells for nothing
    middle = (bid + ask) // 2
    if wanted is _MID and (bid + ask) % 2:  # half a cent: this print leans to the bid
        return (middle, _BID) if middle else (ask, _ASK)
    return middle or 1, wanted


def _count(contract: Contract, manner: Manner, side: Side, premium: int) -> None:
    """Count a print into the session of its contract and into the flow of its underlying."""
    size = manner.size
    contract.volume += size
    flow = contract.flow
    flow.volume += size
    flow.transactions += 1
    if side is _ASK:
        contract.ask_vol += size
        flow.ask += size
        flow.net_premium += premium
        flow.net_volume += size
        flow.delta += contract.delta * size
        flow.gamma += contract.gamma * size
        flow.vega += contract.vega * size
    elif side is _BID:
        contract.bid_vol += size
        flow.bid += size
        flow.net_premium -= premium
        flow.net_volume -= size
        flow.delta -= contract.delta * size
        flow.gamma -= contract.gamma * size
        flow.vega -= contract.vega * size
    else:
        flow.neutral += size
        if side is _MID:
            contract.mid_vol += size
        else:
            contract.no_side_vol += size
    if manner.multi:
        contract.multi_vol += size
        flow.multi += size
    elif manner.stock_multi:
        contract.stock_multi_vol += size
    if manner.sweep:
        flow.sweep += size
    elif manner.floor:
        flow.floor += size


def manner_with(
    code: str, *, side: Side, size: int, exchange: str, late_ms: int, filed_ms: int = 41
) -> Manner:
    """Return a manner made to order."""
    return Manner(
        side, size, code, exchange, multi=code.startswith("m"), stock_multi=code.startswith("t"),
        sweep="isoi" in code, floor=code.endswith("ft"), late_ms=late_ms, filed_ms=filed_ms,
    )  # fmt: skip


def _manner(chance: Chance) -> Manner:
    code = chance.choices(list(_CODES), weights=list(_CODES.values()))[0]
    side = chance.choices((Side.ASK, Side.BID, Side.MID), weights=(44, 43, 13))[0]
    late_ms = chance.randint(45, 90)
    return manner_with(
        code,
        side=Side.NONE if code in _UNSIDED else side,
        size=max(1, int(chance.lognormvariate(0.9, 1.3))),
        exchange=chance.choice(_EXCHANGES),
        late_ms=late_ms,
        filed_ms=chance.randint(36, min(73, late_ms)),
    )


def _appetite(contract: Contract) -> float:
    """Return how often a contract trades, relative to others: near the money and near its end most."""
    listing = contract.stock.listing
    away = abs(contract.strike / contract.stock.price - 1) / listing.volatility
    return listing.share / (1 + 60 * away) / (1 + contract.expiry.toordinal() % 7)


def _tags(symbol: str, kind: Kind, side: Side, is_call: bool) -> str:
    tags: list[str] = [_SIDE_TAG[side]]
    if side is Side.MID:
        tags.append("neutral")
    elif side is not Side.NONE:
        tags.append(_SENTIMENT[side, is_call])
    return "[" + ",".join(f'"{tag}"' for tag in (*tags, *class_tags(symbol, kind))) + "]"
