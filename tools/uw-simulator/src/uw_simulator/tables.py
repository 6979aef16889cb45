"""What REST answers: rows of the book, filtered, ordered and cut as upstream does it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
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
            "/api/darkpool/recent": lambda _path, query: self._prints(
                self._book.dark_pool, query, None, 100, 200
            ),
            "/api/darkpool/{ticker}": lambda path, query: self._prints(
                self._book.dark_pool, query, path["ticker"], 500, 500
            ),
            "/api/lit-flow/recent": lambda _path, query: self._prints(
                self._book.lit_flow, query, None, 100, 200
            ),
            "/api/lit-flow/{ticker}": lambda path, query: self._prints(
                self._book.lit_flow, query, path["ticker"], 500, 500
            ),
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
        rows = (
            row
            for row in self._book.flow_alerts
            if (ticker is None or row["ticker"] in ticker.split(","))
            and (not rules or row["alert_rule"] in rules)
            and (older is None or instant(row["created_at"]) <= older)
            and (newer is None or instant(row["created_at"]) >= newer)
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

    def _prints(self, table: Iterable[Row], query: Query, ticker: str | None, default: int, most: int) -> Any:
        market = self._market()
        if ticker is not None and market is not None and ticker.upper() not in market.stocks:
            raise UnknownTicker
        self._within_history(query)
        older, newer = moment(query, "older_than"), moment(query, "newer_than")
        wanted = ticker.upper() if ticker else None
        rows = [
            row
            for row in table
            if (wanted is None or row["ticker"] == wanted)
            and (older is None or instant(row["executed_at"]) <= older)
            and (newer is None or instant(row["executed_at"]) >= newer)
        ]
        if query.get("order") == "asc":
            rows.reverse()
        return {"data": rows[: limit(query, default, most)]}

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
