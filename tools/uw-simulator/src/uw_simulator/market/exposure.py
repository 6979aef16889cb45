"""Gamma exposure: one figure per ticker, and one per strike and expiry. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date

from uw_simulator.market.chance import Chance
from uw_simulator.market.stock import Stock

_STRIKES = 20
"""Strikes on either side of the money in a refresh."""

_UNITS = {"gamma": 1.0, "charm": -640.0, "vanna": 0.4}


class Exposure:
    """Dealers' exposure in one underlying. Restated on every telling, around a slowly moving base."""

    def __init__(self, stock: Stock, chance: Chance) -> None:
        self.stock = stock
        self._size = stock.listing.share * 4e7
        self._base = {name: chance.gauss(0.2, 0.7) for name in ("oi", "vol", "dir")}

    def gex_payload(self, at_ms: int, chance: Chance) -> bytes:
        """Return a record of the gex channel. Deltas are "0", as in the live captures."""
        for name in self._base:
            self._base[name] = 0.999 * self._base[name] + chance.gauss(0, 0.02)
        fields = [f'"ticker":"{self.stock.listing.symbol}","timestamp":{at_ms},"price":"{self.stock.level}"']
        for basis, level in self._base.items():
            for greek, unit in _UNITS.items():
                amount = self._size * level * unit * chance.uniform(0.97, 1.03)
                fields.append(f'"{greek}_per_one_percent_move_{basis}":"{amount:.7f}"')
        fields += [f'"delta_per_one_percent_move_{basis}":"0"' for basis in ("oi", "vol")]
        return ("{" + ",".join(fields) + "}").encode()

    def strike_payloads(self, at_ms: int, expiries: list[date], chance: Chance) -> Iterator[bytes]:
        """Yield one record per strike (and expiry, if any are given), all of the same moment."""
        step = self.stock.listing.step
        money = round(self.stock.price / step) * step
        dates: list[date | None] = [*expiries] or [None]
        for expiry in dates:
            head = f'"ticker":"{self.stock.listing.symbol}",' + (f'"expiry":"{expiry}",' if expiry else "")
            for n in range(-_STRIKES, _STRIKES + 1):
                strike = money + n * step
                if strike > 0:
                    yield f"{{{head}{self._strike(strike, n, at_ms, chance)}}}".encode()

    def _strike(self, strike: float, distance: int, at_ms: int, chance: Chance) -> str:
        bell = self._size * math.exp(-((distance / 8) ** 2)) * (2.2 if distance % 5 == 0 else 1)
        fields = [f'"timestamp":{at_ms},"strike":"{strike:g}","price":"{self.stock.level}"']
        for greek, unit in _UNITS.items():
            for kind, sign in (("call", 1), ("put", -1)):
                held = sign * bell * unit * chance.uniform(0.6, 1.4)
                traded = held * chance.uniform(0.05, 0.3)
                asked = traded * chance.uniform(0.3, 0.7)
                fields.append(
                    f'"{kind}_{greek}_oi":"{held:.2f}","{kind}_{greek}_vol":"{traded:.2f}",'
                    f'"{kind}_{greek}_ask_vol":"{-asked:.2f}","{kind}_{greek}_bid_vol":"{traded - asked:.2f}"'
                )
        fields.append('"call_delta_oi":"0","put_delta_oi":"0","call_delta_vol":"0","put_delta_vol":"0"')
        return ",".join(fields)
