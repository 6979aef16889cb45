"""The whole market of one day, behind one door. Pure: the same chance gives the same answers."""

from __future__ import annotations

from datetime import date
from itertools import accumulate
from typing import Any

from uw_simulator.market.alerts import Alert, raise_alert
from uw_simulator.market.chance import Chance
from uw_simulator.market.contracts import Contract, chain_of, expiries
from uw_simulator.market.exposure import Exposure
from uw_simulator.market.flows import Ledger, Tide
from uw_simulator.market.happenings import congress_row, halt_payload, news_payload
from uw_simulator.market.stock import Stock
from uw_simulator.market.tape import Tape
from uw_simulator.market.universe import EXPOSED, LISTINGS, Kind

_DISTINCT = ("name", "ticker", "transaction_date", "filed_at_date", "txn_type", "amounts", "issuer")


class Market:
    """Every instrument of `LISTINGS` from its open on *today*.

    Args:
        chance: decides everything that happens.
        today: decides which contracts exist.
        id_prefix: 24 characters in front of each identity,
        `xxxxxxxx-xxxx-4xxx-8xxx-`; another one for each run,
            so that two runs with one seed do not repeat identities.
    """

    def __init__(self, *, chance: Chance, today: date, id_prefix: str) -> None:
        self.today = today
        self._chance = chance
        self._id_prefix = id_prefix
        self._alerts = self._halts = self._disclosures = 0
        self._disclosed: set[tuple[Any, ...]] = set()
        self.stocks = {listing.symbol: Stock(listing, self._chance) for listing in LISTINGS}
        contracts: list[Contract] = []
        self.ledgers: dict[str, Ledger] = {}
        for symbol, stock in self.stocks.items():
            chain, calls, puts = chain_of(stock, today, self._chance)
            contracts += chain
            self.ledgers[symbol] = Ledger(stock, calls, puts)
        self.tape = Tape(contracts, self._chance, id_prefix)
        self.tide = Tide(list(self.ledgers.values()))
        self.exposures = {symbol: Exposure(self.stocks[symbol], self._chance) for symbol in EXPOSED}
        self._shares = [stock for stock in self.stocks.values() if stock.listing.kind is not Kind.INDEX]
        self._share_weights = list(accumulate(stock.listing.share for stock in self._shares))

    def advance(self, seconds: float) -> None:
        """Let *seconds* of trading pass: every price moves."""
        for stock in self.stocks.values():
            stock.walk(seconds, self._chance)

    def option_trade(self, now_ms: int) -> tuple[str, bytes]:
        """Return the next print of the option tape: its underlying and its record."""
        return self.tape.draw(now_ms)

    def flow_alert(self, now_ms: int) -> Alert:
        """Return an alert with the prints that caused it."""
        self._alerts += 1
        identity = f"{self._id_prefix}f{self._alerts:011x}"  # prints never count that far
        return raise_alert(self.tape, self.tape.pick(), self._chance, identity=identity, now_ms=now_ms)

    def equity_print(self, now_ms: int, *, lit: bool, symbol: str | None = None) -> tuple[str, bytes]:
        """Return a print of the lit or off-lit tape: its ticker and its record."""
        stock = self.stocks[symbol] if symbol else self._stock()
        return stock.listing.symbol, stock.print_payload(lit=lit, now_ms=now_ms, chance=self._chance)

    def price(self, symbol: str, now_ms: int) -> bytes:
        """Return the present price of *symbol*."""
        return self.stocks[symbol].price_payload(now_ms, self._chance)

    def gex(self, symbol: str, now_ms: int) -> bytes:
        """Return the exposure of *symbol*."""
        return self.exposures[symbol].gex_payload(now_ms, self._chance)

    def gex_strikes(self, symbol: str, now_ms: int, *, by_expiry: bool) -> list[bytes]:
        """Return the exposure of *symbol* strike by strike, perhaps for each of the next expiries."""
        near = expiries(symbol, self.today)[:3] if by_expiry else []
        return list(self.exposures[symbol].strike_payloads(now_ms, near, self._chance))

    def news(self, now_ms: int) -> tuple[bytes, dict[str, Any]]:
        """Return a headline about somebody, as the socket and as REST tell it."""
        return news_payload(self._stock().listing.symbol, now_ms, self._chance)

    def halt(self, now_ms: int) -> bytes:
        """Return a halt, or the end of the one before."""
        turn = self._halts
        self._halts += 1
        return halt_payload(
            self._shares[(turn // 2 * 7 + 23) % len(self._shares)].listing.symbol, now_ms, turn
        )

    def disclosure(self, *, of_old_trade: bool = False) -> dict[str, Any]:
        """Return a new congress row; its natural key has not been seen before.

        Upstream orders the table by the trade's date, so one of an old trade appears far down.
        """
        while True:
            self._disclosures += 1
            tickers = [stock.listing.symbol for stock in self._shares]
            row = congress_row(
                tickers, self.today, self._disclosures, self._chance, of_old_trade=of_old_trade
            )
            key = tuple(row[name] for name in _DISTINCT)
            if key not in self._disclosed:
                self._disclosed.add(key)
                return row

    def movers(self) -> dict[str, list[dict[str, Any]]]:
        """Return gainers, losers and the most active, twenty each, changes in percent."""
        rows: list[dict[str, Any]] = [
            {
                "ticker": stock.listing.symbol,
                "price": round(stock.price, 2),
                "change": round(stock.price - stock.previous, 2),
                "change_percent": round((stock.price / stock.previous - 1) * 100, 4),
                "volume": stock.volume,
            }
            for stock in self._shares
        ]
        by_change = sorted(rows, key=lambda row: float(row["change_percent"]), reverse=True)
        active = sorted(rows, key=lambda row: float(row["volume"]), reverse=True)
        return {"top_gainers": by_change[:20], "top_losers": by_change[::-1][:20], "most_active": active[:20]}

    def net_impact(self, limit: int) -> list[dict[str, Any]]:
        """Return the *limit* tickers with the most one-sided premium: half positive, then half negative."""
        sums: list[dict[str, Any]] = []
        for symbol, ledger in self.ledgers.items():
            calls, puts, _, _ = ledger.totals()
            sums.append({"ticker": symbol, "net_premium": (calls - puts) / 100})
        ranked = sorted(sums, key=lambda row: float(row["net_premium"]), reverse=True)
        half = min(limit, len(ranked)) // 2
        return ranked[:half] + ranked[len(ranked) - half :]

    def _stock(self) -> Stock:
        return self._chance.choices(self._shares, cum_weights=self._share_weights)[0]
