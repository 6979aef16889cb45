"""What happens now and then: news, halts, and members of Congress who trade. Pure."""

from __future__ import annotations

from datetime import date, timedelta
from hashlib import blake2b
from typing import Any

import orjson

from uw_simulator.market.chance import Chance
from uw_simulator.samples import iso

_HEADLINES = (
    "{t} shares move {d} after analyst note",
    "{t} announces investor day; options price a larger move",
    "{t} {d} on unusual volume, no company news",
    "Fed speaker: policy is in a good place; {t} traders shrug",
    "{t} said to explore sale of a unit, people familiar say",
    "Large holder of {t} discloses changed stake",
    "{t}: guidance reaffirmed ahead of earnings",
)
_MEMBERS = (
    ("Nancy Pelosi", "Hon. Nancy Pelosi", "house"), ("Ro Khanna", "Hon. Rohit Khanna", "house"),
    ("Michael McCaul", "Hon. Michael T. McCaul", "house"),
    ("Josh Gottheimer", "Hon. Josh Gottheimer", "house"),
    ("Tommy Tuberville", "Thomas H Tuberville", "senate"),
    ("Markwayne Mullin", "Markwayne Mullin", "senate"),
    ("Sheldon Whitehouse", "Sheldon Whitehouse", "senate"),
    ("Gil Cisneros", "Hon. Gilbert Cisneros", "house"),
    ("Marjorie Taylor Greene", "Hon. Marjorie Taylor Greene", "house"),
)  # fmt: skip
_AMOUNTS = (
    "$1,001 - $15,000",
    "$15,001 - $50,000",
    "$50,001 - $100,000",
    "$100,001 - $250,000",
    "$250,001 - $500,000",
)
_TYPES = ("Buy", "Buy", "Sell", "Sell (partial)", "Purchase", "Sale (Full)", "Exchange")
_OWNERS = ("spouse", "joint", "self", "undisclosed", "not-disclosed")
_LATE_DAYS = 45


def news_payload(ticker: str, now_ms: int, chance: Chance) -> tuple[bytes, dict[str, Any]]:
    """Return a record of the news channel and the same as REST tells it."""
    headline = chance.choice(_HEADLINES).format(t=ticker, d=chance.choice(("higher", "lower")))
    headline = f"{headline} ({chance.randint(1, 999)})"
    source = chance.choice(("aggregator", "aggregator", "social-media"))
    told = {
        "headline": headline,
        "timestamp": iso(now_ms),
        "source": source,
        "tickers": [ticker],
        "is_trump_ts": source == "social-media" and chance.random() < 0.3,  # noqa: PLR2004 - a share
    }
    row = {
        "created_at": iso(now_ms), "headline": headline, "source": source, "tickers": [ticker], "tags": [],
        "sentiment": chance.choice(("positive", "neutral", "negative")), "is_major": chance.random() < 0.2,  # noqa: PLR2004
        "meta": {},
    }  # fmt: skip
    return orjson.dumps(told), row


def halt_payload(ticker: str, now_ms: int, turn: int) -> bytes:
    """Return a record of the trading_halts channel; states take turns: halted, resumed."""
    halted = turn % 2 == 0
    told = {
        "ticker": ticker,
        "state": "halted" if halted else "resumed",
        "reason": "LUDP" if halted else "",
        "time": iso(now_ms),
    }
    return orjson.dumps(told)


def congress_row(
    tickers: list[str], today: date, number: int, chance: Chance, *, of_old_trade: bool
) -> dict[str, Any]:
    """Return a disclosure filed today, on a trade of yesterday or of long ago."""
    name, reporter, chamber = chance.choice(_MEMBERS)
    ticker = chance.choice(tickers)
    return {
        "name": name,
        "reporter": reporter,
        "politician_id": _person(name),
        "is_active": True,
        "member_type": chamber,
        "ticker": ticker,
        "issuer": chance.choice(_OWNERS),
        "txn_type": chance.choice(_TYPES),
        "amounts": chance.choice(_AMOUNTS),
        "notes": f"{ticker} [ST] FILING STATUS: New; line {number}",
        "transaction_date": str(today - timedelta(days=chance.randint(2, 90) if of_old_trade else 1)),
        "filed_at_date": str(today),
    }


def is_late(row: dict[str, Any]) -> bool:
    """Tell whether a disclosure came later than the law allows."""
    filed, traded = date.fromisoformat(row["filed_at_date"]), date.fromisoformat(row["transaction_date"])
    return (filed - traded).days > _LATE_DAYS


def _person(name: str) -> str:
    """Return an identity in the shape of a UUID, always the same for one name."""
    text = blake2b(name.encode(), digest_size=16).hexdigest()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:]}"
