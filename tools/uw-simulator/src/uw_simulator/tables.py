"""What REST answers: rows of the book, filtered, ordered and cut as upstream does it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

from uw_simulator.book import Book, Row
from uw_simulator.limits import NEW_YORK
from uw_simulator.market.happenings import is_late
from uw_simulator.market.market import Market
from uw_simulator.queries import Query, day, instant, limit, moment, several, whole
from uw_simulator.samples import iso, rest_body

Content = Callable[[Query, Query], Any]

_HISTORY_DAYS = 30  # trading days that the plan may look back
_NO_BOUND = 2**53


class UnknownTicker(Exception):  # noqa: N818 - the condition is the name
    """No such ticker: 404 with an empty object."""


class NoHistory(Exception):  # noqa: N818 - the condition is the name
    """A date further back than the plan allows: 403 with this text."""


class Tables:
    """The content of each modelled route.

    Args:
        book: recent rows.
        market: gives the present market, or None where only captured data is played.
        now: tells the time.
    """

    def __init__(self, book: Book, market: Callable[[], Market | None], now: Callable[[], datetime]) -> None:
        self._book, self._market, self._now = book, market, now

    def routes(self) -> dict[str, Content]:
        """Return content by path; more particular paths come first."""
        return {
            "/api/market/movers": self.movers,
            "/api/market/top-net-impact": self.top_net_impact,
            "/api/market/market-tide": self.market_tide,
            "/api/congress/recent-trades": self.recent_trades,
            "/api/congress/late-reports": self.late_reports,
            "/api/option-trades/flow-alerts": self.flow_alerts,
            "/api/darkpool/recent": partial(self._newest_prints, "off_lit_trades"),
            "/api/darkpool/{ticker}": partial(self._prints_of, "off_lit_trades"),
            "/api/lit-flow/recent": partial(self._newest_prints, "lit_trades"),
            "/api/lit-flow/{ticker}": partial(self._prints_of, "lit_trades"),
            "/api/news/headlines": self.headlines,
        }

    def movers(self, _path: Query, _query: Query) -> Any:
        """Return the three lists of the day."""
        market = self._market()
        if market is None:
            return rest_body("market-movers.shape")
        return {"data": {"last_updated": iso(int(self._now().timestamp() * 1000)), **market.movers()}}

    def top_net_impact(self, _path: Query, query: Query) -> Any:
        """Return who attracts the most one-sided premium."""
        market = self._market()
        rows = limit(query, 20, 100)
        return {"data": market.net_impact(rows)} if market else rest_body("market-top-net-impact.live")

    def market_tide(self, _path: Query, query: Query) -> Any:
        """Return the session's cumulative premium, oldest first."""
        self._within_history(query)
        rows = list(self._book.tide)
        return {"data": rows} if rows else rest_body("market-market-tide.live")

    def recent_trades(self, _path: Query, query: Query) -> Any:
        """Return disclosures, those of the latest trades first; new filings of old trades lie far down."""
        return {"data": self._congress(self._book.congress, "transaction_date", query)}

    def late_reports(self, _path: Query, query: Query) -> Any:
        """Return disclosures that came later than the law allows."""
        late = (row for row in self._book.congress if is_late(row))
        return {"data": self._congress(late, "filed_at_date", query)}

    def flow_alerts(self, _path: Query, query: Query) -> Any:
        """Return alerts, newest first. `older_than` is inclusive; an ISO `newer_than` is ignored."""
        ticker, rules = query.get("ticker_symbol"), several(query, "rule_name[]")
        older, newer = moment(query, "older_than"), moment(query, "newer_than", iso_counts=False)
        found = self._book.rows("flow-alerts", since=_epoch(newer), until=_epoch(older))
        rows = (
            row
            for _, row in found
            if (ticker is None or row["ticker"] in ticker.split(","))
            and (not rules or row["alert_rule"] in rules)
        )
        return {"data": list(islice(rows, limit(query, 100, 200)))}

    def headlines(self, _path: Query, query: Query) -> Any:
        """Return news, newest first, page by page."""
        rows_a_page, page = limit(query, 50, 100), whole(query, "page", 0)
        rows = (
            row
            for row in self._book.headlines
            if ("ticker" not in query or query["ticker"] in row["tickers"])
            and (query.get("major_only") != "true" or row["is_major"])
        )
        return {"data": list(islice(rows, page * rows_a_page, (page + 1) * rows_a_page))}

    def _newest_prints(self, channel: str, _path: Query, query: Query) -> Any:
        """Return the newest prints of all tickers: there is no cursor here, only a most of 200 rows."""
        self._within_history(query)
        return {"data": self._prints((row for _, row in self._book.rows(channel)), query, 100, 200)}

    def _prints_of(self, channel: str, path: Query, query: Query) -> Any:
        """Return a ticker's prints; both cursors count, as numbers or ISO, and include their own moment."""
        market, ticker = self._market(), path["ticker"].upper()
        if market is not None and ticker not in market.stocks:
            raise UnknownTicker
        self._within_history(query)
        older, newer = moment(query, "older_than"), moment(query, "newer_than")
        rows = (
            row
            for _, row in self._book.rows(channel)
            if row["ticker"] == ticker
            and (older is None or instant(row["executed_at"]) <= older)
            and (newer is None or instant(row["executed_at"]) >= newer)
        )
        return {"data": self._prints(rows, query, 500, 500)}

    @staticmethod
    def _prints(rows: Iterable[Row], query: Query, default: int, most: int) -> list[Row]:
        """Filter by size, premium and volume, order, and cut."""
        asked = day(query)
        bounds = [
            (key, whole(query, f"min_{key}", 0), whole(query, f"max_{key}", _NO_BOUND))
            for key in ("premium", "size", "volume")
        ]
        wanted = (
            row
            for row in rows
            if all(least <= float(row[key]) <= greatest for key, least, greatest in bounds)
            and (asked is None or instant(row["executed_at"]).astimezone(NEW_YORK).date() == asked)
        )
        rows_most = limit(query, default, most)
        order = query.get("order_by", "executed_at")
        if query.get("order") != "asc" and order == "executed_at":
            return list(islice(wanted, rows_most))
        found = list(wanted)
        if order in ("trf_executed_at", "executed_at"):
            found.sort(key=lambda row: row.get(order) or "")
        elif order in ("premium", "size", "volume"):
            found.sort(key=lambda row: float(row[order]))
        if query.get("order") != "asc":
            found.reverse()
        return found[:rows_most]

    @staticmethod
    def _congress(rows: Iterable[Row], order: str, query: Query) -> list[Row]:
        until, ticker = day(query), query.get("ticker")
        wanted = [
            row
            for row in rows
            if (until is None or row[order] <= str(until)) and (ticker is None or row.get("ticker") == ticker)
        ]
        return sorted(wanted, key=lambda row: str(row[order]), reverse=True)[: limit(query, 100, 200)]

    def _within_history(self, query: Query) -> None:
        asked = day(query)
        earliest = self._now().astimezone(NEW_YORK).date()
        for _ in range(_HISTORY_DAYS):
            earliest -= timedelta(days=3 if earliest.weekday() == 0 else 1)
        if asked is not None and asked < earliest:
            raise NoHistory(
                f"The earliest date currently available to you is {earliest} ({_HISTORY_DAYS} trading days) "
                f"so {asked} in query param date will not return historical data.\nIf you wish to access "
                "full historic data please email dev@unusualwhales.com with your use case."
            )


def _epoch(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()
