"""The synthetic market as a source of frames: what it says, and how often. Pure.

What nobody listens to is not made, except the option tape, from which flows are summed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from uw_simulator.book import Book
from uw_simulator.limits import NEW_YORK
from uw_simulator.market.market import Market
from uw_simulator.plan import Every, Pacer, day_shape, in_extended_hours, phase_of
from uw_simulator.sources import Sink

_OLD_TRADE_EVERY = 4  # disclosures


@dataclass(frozen=True, slots=True)
class Tempo:
    """How fast the synthetic market talks. Rates a second, periods in seconds."""

    option_trades: float = 80
    flow_alerts: float = 2.5
    lit_trades: float = 8
    off_lit_trades: float = 8
    price: float = 0.4
    gex: float = 0.4
    gex_strikes: float = 5
    flows: float = 2
    interval_flow: float = 10
    news: float = 6
    halts: float = 20
    congress: float = 5
    tide_rows: float = 60
    speed: float = 1
    whole_day: bool = False
    """Let the option tape follow a day's shape, open to close, again and again."""


class Synthetic:
    """The seeded market, talking at a tempo.

    Args:
        make_market: makes the market of a day; called again when the date in New York changes.
        tempo: how fast it talks.
        book: where REST reads.
        started: epoch seconds of the first step.
        open_at: tells whether the exchange is open at a moment; closed, only prices in extended hours,
        news and halts go on.
    """

    def __init__(
        self, make_market: Callable[[date], Market], tempo: Tempo, book: Book, started: float,
        open_at: Callable[[float], bool],
    ) -> None:  # fmt: skip
        self._make_market, self._book, self._open_at = make_market, book, open_at
        self.tempo = tempo
        self.market = make_market(_new_york(started).date())
        self._started = self._last = started
        self._pacers = {name: Pacer(started) for name in ("option_trades", "flow_alerts", "lit", "off_lit")}
        self._timers: dict[str, Every] = {}
        self._turns: Counter[str] = Counter()

    def step(self, now: float, sink: Sink) -> None:
        """Emit what is due at *now*."""
        today = _new_york(now).date()
        if today != self.market.today:
            self.market = self._make_market(today)
        now_ms = int(now * 1000)
        speed = self.tempo.speed
        if self._open_at(now):
            if now - self._last >= 0.05:  # noqa: PLR2004 - twenty moves a second are enough
                self.market.advance((now - self._last) * speed)
                self._last = now
            self._tape(now, now_ms, sink)
            self._prices(now, now_ms, sink)
            self._exposures(now, now_ms, sink)
            self._flows(now, now_ms, sink)
        else:
            self._last = now
            if in_extended_hours(_new_york(now)):
                self._prices(now, now_ms, sink)
        self._happenings(now, now_ms, sink)

    def _tape(self, now: float, now_ms: int, sink: Sink) -> None:
        tempo, market = self.tempo, self.market
        rate = tempo.option_trades * tempo.speed
        if tempo.whole_day:
            rate *= day_shape((now - self._started) * tempo.speed % (6.5 * 3600))
        for _ in range(self._pacers["option_trades"].due(now, rate)):
            ticker, payload = market.option_trade(now_ms)
            sink.emit("option_trades", ticker, payload)
        for _ in range(self._pacers["flow_alerts"].due(now, tempo.flow_alerts * tempo.speed)):
            alert = market.flow_alert(now_ms)
            for payload in alert.prints:
                sink.emit("option_trades", alert.ticker, payload)
            sink.emit("flow-alerts", None, alert.payload)
        for name, rate in (("lit", tempo.lit_trades), ("off_lit", tempo.off_lit_trades)):
            for _ in range(self._pacers[name].due(now, rate * tempo.speed)):
                symbol = "SPY" if self._turn(name) % 3 == 0 else None  # at least every third print is SPY's
                sink.emit(f"{name}_trades", *market.equity_print(now_ms, lit=name == "lit", symbol=symbol))

    def _prices(self, now: float, now_ms: int, sink: Sink) -> None:
        tempo, market = self.tempo, self.market
        for symbol, stock in market.stocks.items():
            if (
                stock.listing.volume
                and sink.wants("price", symbol)
                and self._due(f"price:{symbol}", tempo.price, now)
            ):
                sink.emit("price", symbol, market.price(symbol, now_ms))

    def _exposures(self, now: float, now_ms: int, sink: Sink) -> None:
        tempo, market = self.tempo, self.market
        # Upstream speaks in whole seconds; told more often than that, two records would have one identity.
        told_ms = now_ms - now_ms % 1000 if tempo.gex >= 1 else now_ms
        for symbol in market.exposures:
            if sink.wants("gex", symbol) and self._due(f"gex:{symbol}", tempo.gex, now):
                sink.emit("gex", symbol, market.gex(symbol, told_ms))
            for channel, by_expiry in (("gex_strike", False), ("gex_strike_expiry", True)):
                if sink.wants(channel, symbol) and self._due(f"{channel}:{symbol}", tempo.gex_strikes, now):
                    for payload in market.gex_strikes(symbol, now_ms - now_ms % 1000, by_expiry=by_expiry):
                        sink.emit(channel, symbol, payload)

    def _flows(self, now: float, now_ms: int, sink: Sink) -> None:
        tempo, market = self.tempo, self.market
        for symbol, ledger in market.ledgers.items():
            if sink.wants("net_flow", symbol) and self._due(f"net_flow:{symbol}", tempo.flows, now):
                sink.emit("net_flow", symbol, ledger.net_flow_payload(now_ms))
            if sink.wants("interval_flow") and self._due(f"interval_flow:{symbol}", tempo.interval_flow, now):
                for payload in ledger.interval_payloads(now_ms):
                    sink.emit("interval_flow", None, payload)
        if self._due("market_tide", tempo.flows, now):
            sink.emit("market_tide", None, market.tide.payload(now_ms))
        if self._due("tide_rows", tempo.tide_rows, now):
            self._book.tide.append(market.tide.rest_row(_new_york(now).isoformat(timespec="seconds")))

    def _happenings(self, now: float, now_ms: int, sink: Sink) -> None:
        tempo, market = self.tempo, self.market
        if self._due("news", tempo.news, now):
            payload, row = market.news(now_ms)
            sink.emit("news", None, payload)
            self._book.headlines.appendleft(row)
        if self._due("halts", tempo.halts, now):
            sink.emit("trading_halts", None, market.halt(now_ms))
        if self._due("congress", tempo.congress, now):
            self._book.congress.appendleft(market.disclosure())
            if self._turn("congress") % _OLD_TRADE_EVERY == 0:
                self._book.congress.appendleft(market.disclosure(of_old_trade=True))

    def _due(self, key: str, period: float, now: float) -> bool:
        timer = self._timers.get(key)
        if timer is None:
            timer = self._timers[key] = Every(period, phase_of(key, period))
        return timer.due(now)

    def _turn(self, name: str) -> int:
        self._turns[name] += 1
        return self._turns[name]


def _new_york(now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC).astimezone(NEW_YORK)
