"""`baleen explain`: who holds what of the upstream's budget, how clients stand, what is wrong, what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import quote

import httpx
from rich.console import RenderableType

from baleen.budget_words import budget_words, channel_words, feed_words, is_well, names_of
from baleen.client_words import client_words, keeps_up, list_words
from baleen.errors import CannotRun
from baleen.tables import Page
from baleen.terminal import Terminal

TOKEN_VARIABLE = "GATEWAY_TOKEN"  # noqa: S105 - where a token is, not one


class Subject(StrEnum):
    """What can be explained."""

    BUDGET = "budget"
    FEED = "feed"
    CHANNEL = "channel"
    CLIENT = "client"
    ALERT = "alert"


_WORDS: dict[Subject, Callable[[Page, str | None], Iterator[RenderableType]]] = {
    Subject.BUDGET: lambda page, _name: budget_words(page),
    Subject.FEED: feed_words,
    Subject.CHANNEL: channel_words,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom to ask.

    Attributes:
        ingest: base URL of an uw-ingest's operator port; any replica knows all.
        gateway: base URL of a gateway; any worker knows all clients.
        token: what the gateway asks for, of an admin; None where it asks for none.
    """

    ingest: str
    gateway: str
    token: str | None = field(default=None, repr=False)


def explain(subject: Subject, name: str | None, asked: Asked, terminal: Terminal, *, raw: bool) -> int:
    """Print it; return 1 if something is wrong with it, else 0.

    Args:
        subject: what to explain.
        name: which feed, channel or client; None: all.
        asked: whom to ask.
        terminal: where to print.
        raw: print the JSON as it is.
    """
    if subject is Subject.CLIENT:
        return _explain_clients(name, asked, terminal, raw=raw)
    ingest = asked.ingest
    try:
        text, page = _asked(ingest.rstrip("/"))
        if name and subject is not Subject.BUDGET:
            _must_know(page, subject, name)
        if raw:
            terminal.plain(text)
        else:
            for words in _WORDS[subject](page, name):
                terminal.console.print(words)
    except CannotRun as problem:
        terminal.problem(str(problem))
        return 1
    return 0 if is_well(page, subject.value, name) else 1


def _explain_clients(name: str | None, asked: Asked, terminal: Terminal, *, raw: bool) -> int:
    try:
        text, page = _asked_gateway(name, asked.gateway.rstrip("/"), asked.token)
    except CannotRun as problem:
        terminal.problem(str(problem))
        return 1
    if raw:
        terminal.plain(text)
    else:
        for words in client_words(page) if name else list_words(page):
            terminal.console.print(words)
    return 0 if keeps_up(page) else 1


def _asked_gateway(name: str | None, gateway: str, token: str | None) -> tuple[str, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    path = f"/v1/clients/{quote(name, safe='')}" if name else "/v1/clients"
    try:
        answer = httpx.get(f"{gateway}{path}", headers=headers, timeout=10)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CannotRun(
            f"No gateway answers at {gateway} ({type(error).__name__}). Is it up (`make up`)? Name another "
            "with --gateway."
        ) from None
    page = _object_in(answer)
    if answer.status_code == httpx.codes.OK and page is not None:
        return answer.text, page
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise CannotRun(
            f"The gateway tells only admins ({answer.status_code}): set {TOKEN_VARIABLE} to a token with "
            "baleen.admin."
        )
    if answer.status_code == httpx.codes.NOT_FOUND and page is not None and name:
        raise CannotRun(f"No client {name!r} is connected; `baleen explain client` lists them.")
    raise CannotRun(
        f"What answers at {gateway} knows no clients (status {answer.status_code}). Is it ws-gateway?"
    )


def _object_in(answer: httpx.Response) -> dict[str, Any] | None:
    try:
        page = answer.json()
    except ValueError:
        return None
    return page if isinstance(page, dict) else None


def _asked(ingest: str) -> tuple[str, dict[str, Any]]:
    try:
        answer = httpx.get(f"{ingest}/budget", timeout=10)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CannotRun(
            f"No uw-ingest answers at {ingest} ({type(error).__name__}). Is it up (`make up`), and is this "
            "its operator port? Name another with --ingest."
        ) from None
    page = _object_in(answer)
    if answer.status_code != httpx.codes.OK or page is None:
        raise CannotRun(
            f"What answers at {ingest} knows no budget (status {answer.status_code}). Is it uw-ingest, whose "
            "operator port is 8001 if nothing else is set?"
        )
    return answer.text, page


def _must_know(page: Page, subject: Subject, name: str) -> None:
    known = names_of(page, subject.value)
    wished = [str(wish.get("topic")) for wish in page.get("unserved") or () if isinstance(wish, dict)]
    if name in known or (subject is Subject.CHANNEL and any(name in topic for topic in wished)):
        return
    raise CannotRun(f"There is no {subject} {name!r} now; there are {', '.join(known) or 'none'}.")
