"""Premium flows: two-second increments for the market and per ticker, five-minute windows restated. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from uw_simulator.market.contracts import Flow
from uw_simulator.market.stock import Stock
from uw_simulator.samples import iso

_WINDOW_MS = 300_000
_BASIS_POINTS = 10_000


@dataclass(slots=True)
class Ledger:
    """One underlying's session of calls and puts, and what has been told of it already."""

    stock: Stock
    calls: Flow
    puts: Flow
    _told: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    _window_ms: int = 0
    _at_open: dict[str, float] = field(default_factory=dict)
    _price_at_open: str = ""

    def totals(self) -> list[int]:
        """Return the session's net call and put premium (cents), net call and put volume."""
        return [self.calls.net_premium, self.puts.net_premium, self.calls.net_volume, self.puts.net_volume]

    def net_flow_payload(self, now_ms: int) -> bytes:
        """Return what has flowed since the last telling."""
        now = self.totals()
        call_premium, put_premium, call_volume, put_volume = (
            a - b for a, b in zip(now, self._told, strict=True)
        )
        self._told = now
        return (
            f'{{"ticker":"{self.stock.listing.symbol}","net_call_prem":"{call_premium / 100:.2f}",'
            f'"net_call_vol":{call_volume},"net_put_prem":"{put_premium / 100:.2f}",'
            f'"net_put_vol":{put_volume},'
            f'"time":{now_ms}}}'
        ).encode()

    def interval_payloads(self, now_ms: int) -> list[bytes]:
        """Return the present five-minute window, restated: all contracts, then those out of the money."""
        window = now_ms - now_ms % _WINDOW_MS
        session = self._session()
        if window != self._window_ms:
            self._window_ms, self._at_open, self._price_at_open = window, session, self.stock.level
        grown = {key: value - self._at_open[key] for key, value in session.items()}
        return [
            orjson.dumps(self._interval(kind, share, grown, window, now_ms))
            for kind, share in (("All", 1.0), ("OtmOnly", 0.72))  # most of the tape is out of the money
        ]

    def _session(self) -> dict[str, float]:
        told: dict[str, float] = {"transactions": self.calls.transactions + self.puts.transactions}
        for kind, flow in (("call", self.calls), ("put", self.puts)):
            told[f"{kind}_vol"] = flow.volume
            told[f"{kind}_vol_ask_side"], told[f"{kind}_vol_bid_side"] = flow.ask, flow.bid
            told[f"{kind}_vol_neutral_side"] = flow.neutral
            told[f"{kind}_sweep_vol"], told[f"{kind}_floor_vol"] = flow.sweep, flow.floor
            told[f"{kind}_cross_vol"], told[f"{kind}_multi_vol"] = flow.cross, flow.multi
            told[f"net_{kind}_prem"] = flow.net_premium / 100
        for greek in ("delta", "gamma", "vega"):
            calls, puts = getattr(self.calls, greek), getattr(self.puts, greek)
            told[f"{greek}_flow"], told[f"dir_{greek}_flow"] = 100 * (calls - puts), 100 * (calls + puts)
        return told

    def _interval(
        self, kind: str, share: float, grown: dict[str, float], window_ms: int, now_ms: int
    ) -> dict[str, Any]:
        volatility = round(self.stock.listing.volatility * _BASIS_POINTS)
        move = round(volatility * (30 / 365) ** 0.5)
        trades = max(1, int(grown["transactions"] * share))
        volume = int((grown["call_vol"] + grown["put_vol"]) * share)
        return {
            "ticker": self.stock.listing.symbol, "interval_type": kind, "start_time": iso(window_ms),
            "tape_time": iso(now_ms, 3), **{key: int(value * share) for key, value in grown.items()},
            "cum_net_call_delta": int(self.calls.delta * 100 * share),
            "cum_net_put_delta": int(self.puts.delta * 100 * share), "avg_dte": "9", "avg_otm": "0.041",
            "avg_size": str(volume // trades), "avg_prem": "184", "open": self._price_at_open,
            "close": self.stock.level, "implied_move_perc_30d_open": move,
            "implied_move_perc_30d_close": move, "volatility_30d_open": volatility,
            "volatility_30d_close": volatility,
        }  # fmt: skip


class Tide:
    """The whole market's net premium."""

    def __init__(self, ledgers: list[Ledger]) -> None:
        self._ledgers = ledgers
        self._told = [0, 0, 0, 0]

    def totals(self) -> list[int]:
        """Return the session's sums over all underlyings, in the order of `Ledger.totals`."""
        return [sum(column) for column in zip(*(ledger.totals() for ledger in self._ledgers), strict=True)]

    def payload(self, now_ms: int) -> bytes:
        """Return what has flowed since the last telling."""
        now = self.totals()
        calls, puts, call_volume, put_volume = (a - b for a, b in zip(now, self._told, strict=True))
        self._told = now
        volume = call_volume - put_volume
        return (
            f'{{"timestamp":"{iso(now_ms)}","net_volume":{volume},"net_call_premium":"{calls / 100:.1f}",'
            f'"net_put_premium":"{puts / 100:.1f}","otm_net_volume":{volume * 7 // 10},'
            f'"otm_net_call_premium":"{calls * 0.007:.1f}","otm_net_put_premium":"{puts * 0.007:.1f}"}}'
        ).encode()

    def rest_row(self, local: str) -> dict[str, Any]:
        """Return the session so far, as REST tells it. *local* is the moment with New York's offset."""
        calls, puts, call_volume, put_volume = self.totals()
        return {
            "date": local[:10],
            "timestamp": local,
            "net_call_premium": f"{calls / 100:.4f}",
            "net_put_premium": f"{puts / 100:.4f}",
            "net_volume": call_volume - put_volume,
        }
