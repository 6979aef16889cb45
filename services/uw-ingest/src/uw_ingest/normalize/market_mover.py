"""Stocks that move the most, from whichever endpoint the plan allows. Pure.

One snapshot is a list of rows; a message is sent only for a stock whose row changed, and once more, with no
list, for a stock that left.
"""

from collections.abc import Iterator
from datetime import datetime
from math import isfinite
from typing import Any

from pydantic import ValidationError

from baleen_contracts.market_mover import MarketMover
from uw_ingest.normalize.row import Row, reason_of, unblank
from uw_ingest.refusals import Refusal

LISTS = ("top_gainers", "top_losers", "most_active")

Place = tuple[str, int, Row]  # list, rank from 1, row


def movers(body: Any, observed_at: datetime) -> Iterator[MarketMover | Refusal]:
    """Turn a movers, top-net-impact or screener answer into one message a stock, or the reason why not."""
    standing: dict[Any, list[Place]] = {}
    for place in _places(body):
        standing.setdefault(_symbol(place), []).append(place)
    for places in standing.values():
        if not places[0][0]:
            yield Refusal.MISSING_FIELD  # it stands on no list: nothing tells how it moved
            continue
        try:
            yield _mover(places, observed_at)
        except ValidationError as error:
            yield reason_of(error)


def _symbol(place: Place) -> object:
    """What a stock's places are gathered under; a row on no list, or without a ticker, stands alone."""
    name, _, row = place
    ticker = row.get("ticker")
    return ticker.upper() if name and isinstance(ticker, str) else object()


def _places(body: Any) -> Iterator[Place]:
    data = body.get("data") if isinstance(body, dict) else None
    if isinstance(data, dict):
        for name in LISTS:
            rows = data.get(name)
            yield from _ranked(name, rows if isinstance(rows, list) else [])
        return
    rows = [row if isinstance(row, dict) else {} for row in data] if isinstance(data, list) else []
    yield from _ranked("net_impact", [row for row in rows if "net_premium" in row])
    moved = [(_percent(row), row) for row in rows if "net_premium" not in row]
    ranked = sorted(((percent, row) for percent, row in moved if percent), key=lambda pair: -pair[0])
    yield from _ranked("top_gainers", [row for percent, row in ranked if percent > 0])
    yield from _ranked("top_losers", [row for percent, row in reversed(ranked) if percent < 0])
    yield from (("", 0, row) for percent, row in moved if not percent)


def _mover(standing: list[Place], observed_at: datetime) -> MarketMover:
    _, rank, row = standing[0]
    get = unblank(row).get
    return MarketMover.model_validate(
        {
            "occurred_at": observed_at,
            "received_at": observed_at,
            "symbol": get("ticker"),
            "lists": tuple(name for name, _, _ in standing),
            "rank": rank,
            "name": get("full_name"),
            "price": get("price") or get("close"),
            "change": get("change"),
            "change_percent": _percent(row),
            "volume": get("volume") if get("volume") is not None else get("stock_volume"),
            "net_premium": get("net_premium"),
        }
    )


def changed(mover: MarketMover, before: MarketMover | None) -> bool:
    """Tell whether a stock's place says anything that was not said before."""
    times = {"occurred_at", "received_at"}
    return before is None or mover.model_dump(exclude=times) != before.model_dump(exclude=times)


def left(before: MarketMover, observed_at: datetime) -> MarketMover:
    """Say that a stock is no longer on any list."""
    return before.model_copy(
        update={"lists": (), "rank": None, "occurred_at": observed_at, "received_at": observed_at}
    )


def _ranked(name: str, rows: list[Any]) -> Iterator[Place]:
    for rank, row in enumerate(rows, 1):
        yield name, rank, row if isinstance(row, dict) else {}


def _percent(row: Row) -> float | None:
    """Return the change in percent: upstream's number, whose unit is not documented, or from the closes."""
    given, change = _number(row.get("change_percent")), _number(row.get("change"))
    price = _number(row.get("price") or row.get("close"))
    before = _number(row.get("prev_close"))
    if before is None and price is not None and change is not None:
        before = price - change
    exact = (price - before) / before * 100 if price is not None and before else None
    if given is None:
        return None if exact is None else round(exact, 4)
    as_fraction = exact is not None and abs(given * 100 - exact) < abs(given - exact)
    return given * 100 if as_fraction else given


def _number(value: Any) -> float | None:
    try:
        number = None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number is not None and isfinite(number) else None
