"""Who is traded: real tickers with plausible prices, sizes and habits. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What an instrument is; it decides tags and whether its level is told."""

    STOCK = "stock"
    ETF = "etf"
    INDEX = "index"


@dataclass(frozen=True, slots=True)
class Listing:
    """One underlying, as it stands at the open."""

    symbol: str
    kind: Kind
    price: float
    volatility: float
    """Annual, 0.2 is 20 %."""
    share: float
    """Relative share of the option tape."""
    volume: int
    """Shares on an average day."""
    marketcap: int
    sector: str | None
    step: float
    """Distance between two strikes."""
    multiplier: int = 100


_TECH, _COMM, _CYCL = "Technology", "Communication Services", "Consumer Cyclical"
_FIN, _HEALTH, _ENERGY, _IND = "Financial Services", "Healthcare", "Energy", "Industrials"


def _etf(  # noqa: PLR0917 - a row of a table
    symbol: str, price: float, volatility: float, share: float, volume: int, step: float
) -> Listing:
    return Listing(symbol, Kind.ETF, price, volatility, share, volume, volume * 9_000, None, step)


def _stock(  # noqa: PLR0917 - a row of a table
    symbol: str,
    price: float,
    volatility: float,
    share: float,
    volume: int,
    cap: float,
    sector: str,
    step: float,
) -> Listing:
    return Listing(symbol, Kind.STOCK, price, volatility, share, volume, round(cap * 1e9), sector, step)


def _index(  # noqa: PLR0917 - a row of a table
    symbol: str, price: float, volatility: float, share: float, step: float, multiplier: int = 100
) -> Listing:
    return Listing(symbol, Kind.INDEX, price, volatility, share, 0, 0, None, step, multiplier)


LISTINGS: tuple[Listing, ...] = (
    _etf("SPY", 668.40, 0.15, 170, 74_000_000, 1),
    _etf("QQQ", 606.10, 0.20, 110, 52_000_000, 1),
    _etf("IWM", 244.30, 0.22, 28, 31_000_000, 1),
    _etf("DIA", 466.20, 0.14, 5, 4_000_000, 1),
    _etf("TLT", 91.20, 0.12, 9, 34_000_000, 0.5),
    _etf("GLD", 377.50, 0.21, 12, 15_000_000, 1),
    _etf("SLV", 44.10, 0.35, 10, 40_000_000, 0.5),
    _etf("XLF", 52.70, 0.17, 4, 38_000_000, 0.5),
    _etf("SMH", 341.00, 0.32, 4, 8_000_000, 2.5),
    _etf("HYG", 80.60, 0.06, 3, 41_000_000, 0.5),
    _etf("FXI", 39.80, 0.26, 4, 27_000_000, 0.5),
    _etf("UVIX", 9.85, 1.30, 3, 19_000_000, 0.5),
    _index("SPXW", 6687.0, 0.15, 62, 5),
    _index("NDXP", 24870.0, 0.20, 4, 25),
    _index("XSP", 668.70, 0.15, 4, 1, 10),
    _index("VIX", 17.90, 0.95, 14, 0.5),
    _stock("TSLA", 438.90, 0.55, 95, 88_000_000, 1_460, _CYCL, 2.5),
    _stock("NVDA", 180.30, 0.42, 88, 175_000_000, 4_390, _TECH, 2.5),
    _stock("AAPL", 258.40, 0.27, 38, 48_000_000, 3_830, _TECH, 2.5),
    _stock("AMZN", 217.90, 0.34, 30, 41_000_000, 2_320, _CYCL, 2.5),
    _stock("META", 733.40, 0.36, 26, 12_000_000, 1_840, _COMM, 2.5),
    _stock("MSFT", 520.50, 0.24, 20, 19_000_000, 3_870, _TECH, 2.5),
    _stock("GOOGL", 251.70, 0.31, 22, 36_000_000, 3_040, _COMM, 2.5),
    _stock("AMD", 230.20, 0.58, 34, 60_000_000, 374, _TECH, 2.5),
    _stock("PLTR", 175.50, 0.62, 32, 55_000_000, 416, _TECH, 2.5),
    _stock("NFLX", 1116.00, 0.36, 12, 6_000_000, 474, _COMM, 5),
    _stock("AVGO", 340.30, 0.45, 14, 23_000_000, 1_607, _TECH, 2.5),
    _stock("COIN", 320.30, 0.72, 13, 9_000_000, 86, _FIN, 2.5),
    _stock("MSTR", 280.80, 0.78, 17, 12_000_000, 81, _TECH, 2.5),
    _stock("HOOD", 121.60, 0.75, 15, 40_000_000, 108, _FIN, 1),
    _stock("INTC", 36.90, 0.62, 16, 130_000_000, 161, _TECH, 0.5),
    _stock("MU", 198.50, 0.60, 11, 24_000_000, 222, _TECH, 2.5),
    _stock("BABA", 165.90, 0.48, 12, 22_000_000, 396, _CYCL, 2.5),
    _stock("JD", 32.90, 0.40, 3, 11_000_000, 48, _CYCL, 0.5),
    _stock("SOFI", 27.10, 0.68, 8, 80_000_000, 32, _FIN, 0.5),
    _stock("GME", 22.80, 0.60, 6, 9_000_000, 10, _CYCL, 0.5),
    _stock("MRNA", 25.60, 0.70, 3, 12_000_000, 10, _HEALTH, 0.5),
    _stock("LLY", 810.20, 0.34, 4, 3_500_000, 766, _HEALTH, 5),
    _stock("UNH", 362.70, 0.38, 7, 8_500_000, 328, _HEALTH, 2.5),
    _stock("PFE", 24.70, 0.26, 3, 45_000_000, 140, _HEALTH, 0.5),
    _stock("JPM", 294.10, 0.23, 4, 9_000_000, 808, _FIN, 2.5),
    _stock("BAC", 51.10, 0.26, 4, 37_000_000, 378, _FIN, 0.5),
    _stock("BRK.B", 491.20, 0.16, 2, 4_500_000, 1_060, _FIN, 2.5),
    _stock("XOM", 114.70, 0.24, 4, 15_000_000, 489, _ENERGY, 1),
    _stock("BA", 216.30, 0.36, 5, 8_000_000, 163, _IND, 2.5),
    _stock("F", 12.60, 0.38, 4, 70_000_000, 50, _CYCL, 0.5),
    _stock("DIS", 112.80, 0.27, 3, 8_000_000, 203, _COMM, 1),
    _stock("UBER", 93.90, 0.40, 5, 17_000_000, 196, _TECH, 1),
    _stock("SMCI", 48.30, 0.70, 7, 33_000_000, 29, _TECH, 0.5),
    _stock("CVNA", 338.90, 0.72, 4, 3_200_000, 73, _CYCL, 2.5),
)

EXPOSED = ("SPY", "TSLA", "QQQ", "IWM", "NVDA", "AAPL", "AMZN", "META", "MSFT", "GOOGL", "NFLX", "AMD")
"""Whose gamma exposure is told. The real upstream has thousands."""
