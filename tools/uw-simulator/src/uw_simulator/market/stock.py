"""One underlying through the session: a price that walks, a volume that grows, and prints at both. Pure."""

from __future__ import annotations

import math

import orjson

from uw_simulator.market.chance import Chance
from uw_simulator.market.universe import Kind, Listing
from uw_simulator.samples import iso

_YEAR_S = 252 * 6.5 * 3600  # trading seconds
_LIT_CODES = (None, None, None, None, None, "intermarket_sweep", "intermarket_sweep", "opening_print")
_ODD_LOT = 100
_CONTINGENT = 0.02  # share of off-exchange prints whose price says nothing about the market
_ISSUE = {Kind.STOCK: "Common Stock", Kind.ETF: "ETF", Kind.INDEX: "Index"}


class Stock:
    """A listing with a present price. `level` is the price as upstream writes it."""

    __slots__ = ("high", "level", "listing", "low", "open", "previous", "price", "sizes", "tail", "volume")

    def __init__(self, listing: Listing, chance: Chance) -> None:
        self.listing = listing
        self.previous = listing.price
        self.open = self.price = self.high = self.low = round(listing.price * (1 + chance.gauss(0, 0.006)), 2)
        self.level = f"{self.price:.2f}"
        self.volume = int(listing.volume * 0.2)
        spread = 1 if listing.kind is Kind.ETF else 3
        self.sizes = [100 * chance.randint(1, 30 * spread) for _ in range(4)]
        more = {
            "sector": listing.sector,
            "next_earnings_date": None,
            "avg30_volume": f"{listing.volume}.0",
            "issue_type": _ISSUE[listing.kind],
            "marketcap": f"{listing.marketcap}.0" if listing.marketcap else None,
        }
        self.tail = orjson.dumps(more).decode()[1:]

    def walk(self, seconds: float, chance: Chance) -> None:
        """Let *seconds* of trading pass: the price moves, drawn back when far from yesterday's close."""
        size = self.listing.volatility * math.sqrt(seconds / _YEAR_S)
        pull = -0.02 * (self.price / self.previous - 1) * min(seconds, 60) / 60
        self.price = max(0.05, self.price * math.exp(chance.gauss(pull, size)))
        self.high, self.low = max(self.high, self.price), min(self.low, self.price)
        self.level = f"{self.price:.2f}"

    def trade(self, size: int) -> None:
        """Count shares into the consolidated volume."""
        self.volume += size

    def price_payload(self, now_ms: int, chance: Chance) -> bytes:
        """Return a record of the price channel; a little volume has passed."""
        self.trade(int(chance.expovariate(1) * self.listing.volume / 90_000) + 1)
        ticker = self.listing.symbol
        return f'{{"ticker":"{ticker}","close":"{self.level}","time":{now_ms},"vol":{self.volume}}}'.encode()

    def print_payload(self, *, lit: bool, now_ms: int, chance: Chance) -> bytes:
        """Return a print of the lit or the off-lit tape."""
        bid, ask = round(self.price - 0.01, 2), round(self.price + 0.01, 2)
        price, trade_code, conditions = _printed(lit, bid, ask, chance)
        size = _size(lit, chance)
        self.trade(size)
        executed_at = iso(now_ms)
        executed_for = None if lit else iso(now_ms - chance.randint(1, 900), 3)
        return (
            f'{{"symbol":"{self.listing.symbol}","price":"{price}","type":"{"lit" if lit else "off_lit"}",'
            f'"size":{size},"volume":{self.volume},"trade_settlement":"regular","trade_code":{_text(trade_code)},'
            f'"ext_hour_sold_codes":null,"sale_cond_codes":{_text(conditions)},"executed_at":"{executed_at}",'
            f'"trf_executed_at":{_text(executed_for)},"nbbo_bid":"{bid:.2f}","nbbo_ask":"{ask:.2f}",'
            f'"nbbo_bid_quantity":{self.sizes[0]},"nbbo_ask_quantity":{self.sizes[1]},{self.tail}'
        ).encode()


def _printed(lit: bool, bid: float, ask: float, chance: Chance) -> tuple[str, str | None, str | None]:
    """Return price, trade code and sale conditions of a print."""
    if lit:
        price = bid if chance.random() < 0.5 else ask  # noqa: PLR2004 - a coin
        return f"{price:.2f}", chance.choice(_LIT_CODES), None
    if chance.random() < _CONTINGENT:  # agreed elsewhere: not priced off the market
        return f"{bid * (1 + chance.gauss(0, 0.008)):.4f}", "qualified_contingent_trade", "contingent_trade"
    return f"{chance.uniform(bid, ask):.4f}", None, "average_price_trade" if chance.random() < 0.04 else None  # noqa: PLR2004


def _size(lit: bool, chance: Chance) -> int:
    size = int(chance.lognormvariate(4.4 if lit else 5.6, 1.2)) + 1
    return size if size < _ODD_LOT else size // _ODD_LOT * _ODD_LOT


def _text(value: str | None) -> str:
    return "null" if value is None else f'"{value}"'
