"""What an option is worth: Black-Scholes with a smile, and a market around it. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

RATE = 0.041
_SHORTEST = 1 / (365 * 24)  # an hour, in years: nearer to expiry the greeks would explode
_SQRT_2PI = math.sqrt(2 * math.pi)
_SQRT_2 = math.sqrt(2)


@dataclass(frozen=True, slots=True)
class Worth:
    """Theoretical price and greeks of one contract. Theta per day, vega and rho per percentage point."""

    theo: float
    implied_volatility: float
    delta: float
    gamma: float
    theta: float
    vega: float
    rho: float


def worth(*, spot: float, strike: float, years: float, volatility: float, is_call: bool) -> Worth:
    """Return what a European option is worth.

    Args:
        spot: price of the underlying.
        strike: price at which it may be bought or sold.
        years: time to expiry; less than an hour counts as an hour.
        volatility: annual at-the-money volatility; wings get more of it.
        is_call: a call, else a put.
    """
    years = max(years, _SHORTEST)
    root = math.sqrt(years)
    money = math.log(strike / spot) / (volatility * root)
    sigma = volatility * (1 + 0.018 * min(money * money, 16) - 0.03 * max(min(money, 3), -3))
    d1 = (math.log(spot / strike) + (RATE + sigma * sigma / 2) * years) / (sigma * root)
    d2 = d1 - sigma * root
    discounted = strike * math.exp(-RATE * years)
    density = math.exp(-d1 * d1 / 2) / _SQRT_2PI
    sign = 1 if is_call else -1
    n1, n2 = _normal(sign * d1), _normal(sign * d2)
    return Worth(
        theo=max(sign * (spot * n1 - discounted * n2), 0.0),
        implied_volatility=sigma,
        delta=sign * n1,
        gamma=density / (spot * sigma * root),
        theta=(-spot * density * sigma / (2 * root) - sign * RATE * discounted * n2) / 365,
        vega=spot * density * root / 100,
        rho=sign * discounted * years * n2 / 100,
    )


def market_around(theo: float, *, penny: bool) -> tuple[int, int]:
    """Return bid and ask in cents around *theo*, on the tick, never crossed, the bid perhaps 0.

    Args:
        theo: theoretical price in dollars.
        penny: whether the class trades in cents below three dollars, else in five-cent steps.
    """
    tick = (1 if theo < 3 else 5) if penny else 5  # noqa: PLR2004 - the penny programme's own bound
    half = max(tick / 2, theo * 0.9)  # 1.8 % wide
    bid = max(0, math.floor((theo * 100 - half) / tick) * tick)
    ask = max(bid + tick, math.ceil((theo * 100 + half) / tick) * tick)
    return bid, ask


def _normal(x: float) -> float:
    return (1 + math.erf(x / _SQRT_2)) / 2
