"""History and the account over HTTP, for whoever may see them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request, Response

from alert_bridge.account.answers import account_answer, alert_answer, history_answer, refusal, time_text
from alert_bridge.account.books import Books
from alert_bridge.account.gate import Gate
from alert_bridge.account.query import read_wanted
from alert_bridge.errors import Invalid, NotAllowed, Problem, Refused, TooLarge
from alert_bridge.metrics import Metrics
from baleen_bus import BusError
from baleen_runtime.clock import Clock

RETRY_AFTER: Final = 2
MOST_OF_ONE_ID: Final = 20
"""Alerts of one id that are told; the newest."""
_BY_SEQ: Final = b"/alerts/seq/"
_LONGEST_SEQ: Final = 18


class NothingThere(Exception):  # noqa: N818 - the condition is the name
    """What was asked for is not there; the text says where it was looked for."""


def history_routes(books: Books, gate: Gate, metrics: Metrics, clock: Clock) -> APIRouter:
    """`GET /alerts`, `GET /alerts/{id}`, `GET /alerts/seq/{n}` and `GET /account`."""
    routes = APIRouter(tags=["account"])

    @routes.get("/alerts", response_model=None)
    async def page(request: Request) -> Response:
        """A page of history, oldest first; `next` is the `since` to go on from.

        `since` is a time, a number of the stream or a duration such as `2h`, without it the newest are told;
        `limit` is at most 1,000; `type`, `source`, `symbol` (several with commas), `severity` (at least) and
        `q` (a text) say which. `more` says that it is worth asking on at once.
        """

        async def told() -> dict[str, Any]:
            wanted = read_wanted(request.query_params.multi_items(), now=clock.now())
            return history_answer(await books.archive.page(wanted))

        return await answered(request, gate, told)

    @routes.get("/alerts/{name:path}", response_model=None)
    async def alert(request: Request, name: str) -> Response:
        """One alert, whole, and what became of it at every destination.

        By its id: a list, as several sources may use the same. By its number under `/alerts/seq/`: it alone.
        """

        async def told() -> dict[str, Any]:
            # The path as it was sent: an id may hold a slash, and comes with it escaped.
            if request.scope.get("raw_path", b"").startswith(_BY_SEQ):
                return await _by_seq(books, name.removeprefix("seq/"))
            return await _by_id(books, name)

        return await answered(request, gate, told)

    @routes.get("/account", response_model=None)
    async def account(request: Request) -> Response:
        """Per destination: accepted = delivered + suppressed + dead + in flight; else what is unaccounted."""

        async def told() -> dict[str, Any]:
            return account_answer(await books.accounts(), metrics.answers())

        return await answered(request, gate, told)

    return routes


async def answered(request: Request, gate: Gate, tell: Callable[[], Awaitable[dict[str, Any]]]) -> Response:
    """What *tell* returns, for whoever may see it; a status and a sentence otherwise."""
    try:
        gate.admit(request.headers)
        return _json(await tell(), 200)
    except NotAllowed as error:
        headers = {} if error.known else {"WWW-Authenticate": "Bearer"}
        return _json(refusal(error), 403 if error.known else 401, headers)
    except Refused as error:
        return _json(refusal(error), 413 if isinstance(error, TooLarge) else 400)
    except NothingThere as nothing:
        return _json({"error": "not_found", "message": str(nothing)}, 404)
    except BusError as error:
        body = {"error": "unavailable", "message": f"it cannot be told now: {error}"}
        return _json(body, 503, {"Retry-After": str(RETRY_AFTER)})


async def _by_seq(books: Books, text: str) -> dict[str, Any]:
    if not (text.isascii() and text.isdigit()) or len(text) > _LONGEST_SEQ:
        raise Invalid([Problem("seq", "a number of the stream")])
    one = await books.archive.read(int(text))
    if one is None:
        raise NothingThere(f"the stream has no alert of number {text}: it keeps them for 7 days")
    [life] = await books.lives([one])
    return alert_answer(one, life)


async def _by_id(books: Books, alert_id: str) -> dict[str, Any]:
    archive = books.archive
    seqs = archive.seqs_of(alert_id)
    if not seqs:
        await archive.settle()
        seqs = archive.seqs_of(alert_id)
    if not seqs:
        archive.must_be_ready()
        back_to = archive.reaches_back_to
        since = f", the oldest of {time_text(back_to)}" if back_to is not None else ""
        raise NothingThere(
            f"no alert of this id is among the newest {archive.known:,}{since}; "
            "an older one is found by its number, under /alerts/seq/"
        )
    found = [one for seq in seqs[-MOST_OF_ONE_ID:] if (one := await archive.read(seq)) is not None]
    if not found:
        raise NothingThere(f"the stream has let go of the alert of this id, number {seqs[-1]}")
    told = [alert_answer(one, life) for one, life in zip(found, await books.lives(found), strict=True)]
    return {"id": alert_id, "alerts": told, "older": max(0, len(seqs) - MOST_OF_ONE_ID)}


def _json(body: dict[str, Any], status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json", headers=headers)
