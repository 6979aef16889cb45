"""What every route of a receiver works with: who sends, may it, and is its alert kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.requests import Request
from starlette.responses import Response

from alert_bridge.carried import Carried
from alert_bridge.errors import BusAway, NotAllowed, Outcome, Refused, TooMany, TooSlow
from alert_bridge.metrics import Dialect, Metrics
from alert_bridge.receive.again import SentAway
from alert_bridge.receive.allowance import Allowances
from alert_bridge.receive.answer import Answer
from alert_bridge.receive.body import let_go
from alert_bridge.receive.credential import shown_in
from alert_bridge.receive.mint import Mint
from alert_bridge.receive.shape import BridgedAlert
from alert_bridge.receive.source import Source, Sources
from alert_bridge.settings import Settings
from alert_bridge.store.outlet import Outlet, outcome_of
from baleen_bus import Stored
from baleen_runtime.clock import Clock

_TOGETHER = 50
"""Alerts of one request that are on their way to the bus at a time."""

INBOUND = {
    "alertmanager": Dialect.ALERTMANAGER,
    "grafana": Dialect.GRAFANA,
    "tradingview": Dialect.TRADINGVIEW,
    "apprise": Dialect.APPRISE,
    "json": Dialect.ANY_JSON,
}
"""The dialects of `/in/…`, by what follows."""

Taken = tuple[Outcome, Answer]

COUNT = "alert_bridge.count"
"""Where a request's scope has what counts it, for whoever answers when its route fails."""


class Archive(Protocol):
    """Finds a stored alert by the number that its sender was told."""

    @property
    def ready(self) -> bool:
        """Whether the newest alerts are all known; before that, not to find one means nothing."""

    async def settle(self, within: float = 1.0) -> None:
        """Let what was stored before now be known; at most so many seconds."""

    def seq_of_snowflake(self, snowflake: str, source: str | None = None) -> int | None:
        """The alert's number in the stream, if it is known and of that source."""

    async def read(self, seq: int) -> Carried | None:
        """The alert; None once the stream let it go.

        Raises:
            BusError: the bus does not answer now.
        """


@dataclass(frozen=True, slots=True)
class Kept:
    """An alert that is kept, under the id that it finally has.

    ``seq`` is its number in the stream, and None while it is on this disk only.
    """

    alert: BridgedAlert
    seq: int | None
    outcome: Outcome

    @property
    def duplicate(self) -> bool:
        """Whether there was one of this source and id before."""
        return self.outcome is Outcome.DUPLICATE


@dataclass(frozen=True)
class Desk:
    """What the routes work with. Without an archive no stored message can be looked at again."""

    settings: Settings
    sources: Sources
    outlet: Outlet
    metrics: Metrics
    mint: Mint
    clock: Clock
    archive: Archive | None = None
    allowances: Allowances = field(default_factory=Allowances)
    sent_away: SentAway = field(default_factory=SentAway)

    def fresh_id(self) -> str:
        """An id for an alert that brings none."""
        return self.mint.fresh(self.clock.now())

    def webhook(self, webhook_id: str, token: str) -> Source:
        """The source whose id and token are in a path, and which may send now.

        Raises:
            UnknownWebhook: the id or the token is wrong.
            TooMany: it has sent as much as it may.
        """
        source = self.sources.by_webhook(webhook_id, token)
        self._admit(source)
        return source

    def sender(self, request: Request) -> Source | None:
        """Who sends, where a header proves it; None where nobody has to prove it.

        Raises:
            NotAllowed: a credential is missing or wrong, or a web page tries to use an open door.
            TooMany: it has sent as much as it may.
        """
        headers = request.headers
        token = shown_in(headers.get("authorization", ""))
        if token is not None:
            sender = self.sources.by_token(token)
            if sender is None:
                raise NotAllowed(
                    "this token is not known, or no longer: `alert-bridge source list` tells more"
                )
            self._admit(sender)
            return sender
        if not self.settings.alerts_open:
            raise NotAllowed("a source's token is needed, as bearer token or as password of Basic")
        if "origin" in headers:  # only browsers send it: any page could post to a port of this machine
            raise NotAllowed("web pages need a bearer token", known=True)
        return None

    async def keep(self, alert: BridgedAlert) -> Kept:
        """Return once *alert* is stored. One that was sent away before keeps the id of its first attempt.

        Raises:
            BusAway: that did not happen in time; it may still happen.
            TooLarge: the bus takes no message of this size.
        """
        now = self.clock.monotonic()
        if alert.minted and (known := self.sent_away.id_of(alert, now)):
            alert = alert.model_copy(update={"id": known})
        try:
            stored = await self.outlet.store(alert)
        except BusAway:
            if alert.minted:
                self.sent_away.note(alert, now)
            raise
        if alert.minted:
            self.sent_away.forget(alert)
        seq = stored.seq if isinstance(stored, Stored) else None
        return Kept(alert, seq, outcome_of(stored))

    async def keep_all(self, alerts: Sequence[BridgedAlert]) -> list[Kept]:
        """Return once all are stored, in their order; raises as `keep`, and then some may be stored."""
        kept: list[Kept] = []
        for first in range(0, len(alerts), _TOGETHER):
            keeping = map(self.keep, alerts[first : first + _TOGETHER])
            for result in await asyncio.gather(*keeping, return_exceptions=True):
                if isinstance(result, BaseException):
                    raise result
                kept.append(result)
        return kept

    def timer(self, request: Request, dialect: Dialect) -> Callable[[Outcome], None]:
        """Starts a clock now; what it returns counts the request with its outcome.

        The request carries it along under `COUNT`.
        """
        began = time.perf_counter()

        def count(outcome: Outcome) -> None:
            self.metrics.answered(dialect, outcome, time.perf_counter() - began)

        request.scope[COUNT] = count
        return count

    def turned_away(self, path: str, outcome: Outcome) -> None:
        """Counts an alert that did not get as far as its route."""
        dialect = dialect_of(path)
        if dialect is not None:
            self.metrics.answered(dialect, outcome, 0.0)

    def _admit(self, source: Source) -> None:
        if source.limit is None:
            return
        wait = self.allowances.wait_for(source, self.clock.monotonic())
        if wait:
            raise TooMany(wait, source.limit.requests)


def dialect_of(path: str) -> Dialect | None:
    """Which dialect is spoken at *path*, as far as its beginning tells."""
    if path == "/alerts":
        return Dialect.JSON
    return INBOUND.get(path.split("/")[2]) if path.startswith("/in/") else None


async def answered(
    desk: Desk,
    request: Request,
    dialect: Dialect,
    take: Callable[[], Awaitable[Taken]],
    refuse: Callable[[Refused | BusAway | TooMany], Answer],
) -> Response:
    """The response to one request: what *take* answers, or *refuse* where it raises; counted once.

    The rest of a body that nobody wanted is heard for a while; whoever does not end it by then is hung up on.
    """
    count = desk.timer(request, dialect)
    slow = False
    try:
        outcome, answer = await take()
    except (Refused, BusAway, TooMany) as error:
        outcome, answer, slow = error.outcome, refuse(error), isinstance(error, TooSlow)
    response = response_of(answer)
    count(outcome)
    if slow or not await let_go(request):
        response.headers["Connection"] = "close"
    return response


class _Empty(Response):
    """An answer without a body, whose usual headers are not made into bytes again and again."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(status_code=answer.status)
        self.raw_headers += [_header(name, value) for name, value in answer.headers.items()]


@lru_cache(maxsize=256)
def _header(name: str, value: str) -> tuple[bytes, bytes]:
    return name.lower().encode("latin-1"), value.encode("latin-1")


def response_of(answer: Answer) -> Response:
    """JSON with exactly ``application/json``: Discord's clients compare the header for equality."""
    if answer.body is None:
        return _Empty(answer)
    if isinstance(answer.body, str):
        return PlainTextResponse(answer.body, answer.status, headers=answer.headers)
    return JSONResponse(answer.body, answer.status, headers=answer.headers)
