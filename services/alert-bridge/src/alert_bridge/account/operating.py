"""What an operator does over HTTP: looks at destinations, resumes one, and sends dead letters again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alert_bridge.account.answers import destinations_answer, letters_answer
from alert_bridge.account.books import Books
from alert_bridge.account.gate import Gate
from alert_bridge.account.query import read_wanted_dead
from alert_bridge.account.routes import NothingThere, answered
from alert_bridge.errors import Invalid, Problem, TooLarge
from baleen_runtime.clock import Clock

_LONGEST_BODY: Final = 64 * 1024


class Again(BaseModel):
    """Which dead letters to send again: those of these numbers, or all that can be and were not yet.

    ``dry_run`` sends nothing, and says how many would be sent.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    destination: Annotated[str, Field(min_length=1, max_length=64)]
    seqs: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1, max_length=1_000)] | None = None
    all: bool = False
    dry_run: bool = False


def operating_routes(books: Books, gate: Gate, clock: Clock) -> APIRouter:
    """`GET /destinations`, `POST /destinations/{name}/resume`, `GET /dead`, `POST /dead/redeliver`."""
    routes = APIRouter(tags=["account"])

    @routes.get("/destinations", response_model=None)
    async def destinations(request: Request) -> Response:
        """Every destination of the rules, and how it fares."""

        async def told() -> dict[str, Any]:
            return destinations_answer(await books.accounts())

        return await answered(request, gate, told)

    @routes.post("/destinations/{name}/resume", response_model=None)
    async def resume(request: Request, name: str) -> Response:
        """Let a destination that was stopped try again, on whichever replica serves it."""

        async def told() -> dict[str, Any]:
            known = await _known(books, name)
            await books.resume(known, clock.now())
            return {"resumed": known}

        return await answered(request, gate, told)

    @routes.get("/dead", response_model=None)
    async def dead(request: Request) -> Response:
        """A page of dead letters, oldest first; `next` is the `since` to go on from.

        `destination` says whose; `since` and `limit` are as for `/alerts`.
        """

        async def told() -> dict[str, Any]:
            wanted = read_wanted_dead(request.query_params.multi_items(), now=clock.now())
            return letters_answer(await books.letters.page(wanted))

        return await answered(request, gate, told)

    @routes.post("/dead/redeliver", response_model=None)
    async def redeliver(request: Request) -> Response:
        """Send dead letters again: `{"destination", "seqs": […]}` or `{"destination", "all": true}`.

        A letter is sent again once; when it dies again that is a letter of its own. At most a thousand at a
        time: `left` says how many more there are. With `"dry_run": true` nothing is sent, and `would_send`
        says how many would be.
        """

        async def told() -> dict[str, Any]:
            asked = await _asked(request)
            destination = await _known(books, asked.destination)
            chosen = await books.letters.choose(destination, asked.seqs)
            if asked.dry_run:
                count = len(chosen.seqs) + chosen.left
                return {
                    "destination": destination,
                    "would_send": count,
                    "refused": _why_not(chosen.refused),
                }
            sent, unsent = await books.send_again(chosen.seqs, clock.now()) if chosen.seqs else ([], {})
            return {
                "destination": destination,
                "sent_again": sent,
                "left": chosen.left,
                "refused": _why_not(chosen.refused | unsent),
            }

        return await answered(request, gate, told)

    return routes


def _why_not(refused: Mapping[int, str]) -> list[dict[str, Any]]:
    return [{"seq": seq, "why": why} for seq, why in sorted(refused.items())]


async def _known(books: Books, name: str) -> str:
    known = [one.name for one in await books.accounts()]
    if name.lower() in known:
        return name.lower()
    there_are = ", ".join(known) or "none: ALERT_BRIDGE_RULES names no file with any"
    raise NothingThere(f"there is no destination of this name; there are {there_are}")


async def _asked(request: Request) -> Again:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_BODY:
            raise TooLarge(f"more than {_LONGEST_BODY} bytes")
    try:
        asked = Again.model_validate_json(body)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
        raise Invalid(
            [Problem(".".join(map(str, detail["loc"])), detail["msg"]) for detail in details]
        ) from None
    if (asked.seqs is None) is not asked.all:
        raise Invalid([Problem("seqs", "either some numbers, or all: true")])
    return asked
