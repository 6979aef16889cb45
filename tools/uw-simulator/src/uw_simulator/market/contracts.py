"""The option chain: which contracts exist, what they are quoted, what has been traded in them. Pure."""

from __future__ import annotations

from datetime import date, timedelta

from uw_simulator.market.chance import Chance
from uw_simulator.market.pricing import market_around, worth
from uw_simulator.market.stock import Stock
from uw_simulator.market.universe import Kind

_FRIDAY = 4
_DAILY = ("SPY", "QQQ", "SPXW", "IWM", "NDXP", "XSP")
_WINGS = 9
"""Strikes on either side of the money."""

_DAY_MS = 86_400_000
_CLOSE_MS = 20 * 3_600_000  # 16:00 in New York, near enough for the value of an option
_CHINA = ("BABA", "JD", "FXI")
_VOLATILITY = ("UVIX", "VIX")


class Flow:
    """What has been traded in one kind of option on one underlying, since the open. Premium in cents."""

    __slots__ = (
        "ask", "bid", "cross", "delta", "floor", "gamma", "multi", "net_premium", "net_volume", "neutral",
        "sweep", "transactions", "vega", "volume",
    )  # fmt: skip

    def __init__(self) -> None:
        self.volume = self.ask = self.bid = self.neutral = self.transactions = 0
        self.sweep = self.floor = self.cross = self.multi = 0
        self.net_premium = self.net_volume = 0
        self.delta = self.gamma = self.vega = 0.0


class Contract:
    """One option contract: its terms, its present quote and its session so far."""

    __slots__ = (
        "ask", "ask_vol", "bid", "bid_vol", "delta", "expiry", "flow", "gamma", "interest", "is_call",
        "mid_vol", "multi_vol", "multiplier", "no_side_vol", "option_symbol", "otm", "quoted_at", "stock",
        "stock_multi_vol", "strike", "symbol", "template", "vega", "volatility", "volume",
    )  # fmt: skip

    def __init__(  # noqa: PLR0917 - the terms of a contract
        self, stock: Stock, expiry: date, strike: float, is_call: bool, flow: Flow, chance: Chance
    ) -> None:
        self.stock, self.expiry, self.strike, self.is_call, self.flow = stock, expiry, strike, is_call, flow
        letter = "C" if is_call else "P"
        root = stock.listing.symbol.replace(".", "")
        self.symbol, self.multiplier = stock.listing.symbol, stock.listing.multiplier
        self.option_symbol = f"{root}{expiry:%y%m%d}{letter}{round(strike * 1000):08d}"
        self.interest = int(chance.lognormvariate(6.5, 1.6))
        split = [int(chance.lognormvariate(4, 1.5)) for _ in range(3)]
        self.ask_vol, self.bid_vol, self.mid_vol = split
        self.no_side_vol, self.multi_vol, self.stock_multi_vol = 0, sum(split) // 5, 0
        self.volume = sum(split)
        self.bid = self.ask = 0
        self.delta = self.gamma = self.vega = self.volatility = 0.0
        self.otm = False
        self.quoted_at = -(10**15)
        self.template = ""

    def quote(self, now_ms: int) -> None:
        """Price the contract off the underlying's present level and write the template of its prints anew."""
        stock = self.stock
        spot = stock.price
        midnight_ms = (self.expiry.toordinal() - date(1970, 1, 1).toordinal()) * _DAY_MS
        years = (midnight_ms + _CLOSE_MS - now_ms) / (_DAY_MS * 365)
        value = worth(
            spot=spot,
            strike=self.strike,
            years=years,
            volatility=stock.listing.volatility,
            is_call=self.is_call,
        )
        self.bid, self.ask = market_around(value.theo, penny=stock.listing.kind is not Kind.INDEX)
        self.delta, self.gamma, self.vega = value.delta, value.gamma, value.vega
        self.volatility = value.implied_volatility
        self.otm = self.strike > spot if self.is_call else self.strike < spot
        self.quoted_at = now_ms
        bid, ask = cents(self.bid), cents(self.ask)
        level = "" if stock.listing.kind is Kind.INDEX else stock.level
        # Order and spelling follow the captured frames. Filled by Tape: what differs from print to print.
        self.template = (
            f'{{"id":"%s","underlying_symbol":"{stock.listing.symbol}","executed_at":%d,"nbbo_bid":"{bid}",'
            f'"nbbo_ask":"{ask}","size":%d,"price":"%d.%02d","option_symbol":"{self.option_symbol}","created_at":%d,'
            f'"report_flags":[],"tags":%s,"expiry":"{self.expiry}",'
            f'"option_type":"{"call" if self.is_call else "put"}",'
            f'"open_interest":{self.interest},"strike":"{self.strike:g}","premium":"%d.%02d","volume":%d,'
            f'"underlying_price":"{level}","ewma_nbbo_ask":"{ask}","ewma_nbbo_bid":"{bid}",'
            f'"implied_volatility":"{value.implied_volatility:.15f}","delta":"{value.delta:.16f}",'
            f'"theta":"{value.theta:.16f}","gamma":"{value.gamma:.17f}","vega":"{value.vega:.17f}",'
            f'"rho":"{value.rho:.18f}","theo":"{value.theo:.14f}","trade_code":"%s","exchange":"%s",'
            f'"ask_vol":%d,"bid_vol":%d,"no_side_vol":%d,"mid_vol":%d,"multi_vol":%d,"stock_multi_vol":%d}}'
        )


def chain_of(stock: Stock, today: date, chance: Chance) -> tuple[list[Contract], Flow, Flow]:
    """Return the contracts of *stock* from *today* on, with the flow of its calls and of its puts."""
    calls, puts = Flow(), Flow()
    step = stock.listing.step
    money = round(stock.price / step) * step
    strikes = [money + n * step for n in range(-_WINGS, _WINGS + 1) if money + n * step > 0]
    contracts = [
        Contract(stock, expiry, strike, is_call, calls if is_call else puts, chance)
        for expiry in expiries(stock.listing.symbol, today)
        for strike in strikes
        for is_call in (True, False)
    ]
    return contracts, calls, puts


def expiries(symbol: str, today: date) -> list[date]:
    """Return when options on *symbol* expire: the next four Fridays, and daily for the busiest classes."""
    friday = today + timedelta((_FRIDAY - today.weekday()) % 7)
    days = {friday + timedelta(weeks=n) for n in (0, 1, 2, 4)}
    if symbol in _DAILY:
        near = (today + timedelta(n) for n in range(4))
        days |= {day for day in near if day.weekday() <= _FRIDAY}
    return sorted(days)


def class_tags(symbol: str, kind: Kind) -> tuple[str, ...]:
    """Return the tags that every print on *symbol* carries behind side and sentiment."""
    tags: tuple[str, ...] = () if kind is Kind.STOCK else (kind.value,)
    if symbol in _CHINA:
        tags += ("china",)
    return (*tags, "volatility") if symbol in _VOLATILITY else tags


def cents(amount: int) -> str:
    """Return an amount of cents as a decimal string of dollars."""
    return f"{amount // 100}.{amount % 100:02d}"
