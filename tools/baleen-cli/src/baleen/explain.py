"""`baleen explain`: who holds what of the upstream's budget, why, what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any

import httpx
from rich.console import RenderableType

from baleen.budget_words import Page, budget_words, channel_words, feed_words, is_well, names_of
from baleen.errors import CannotRun
from baleen.terminal import Terminal


class Subject(StrEnum):
    """What can be explained."""

    BUDGET = "budget"
    FEED = "feed"
    CHANNEL = "channel"


_WORDS: dict[Subject, Callable[[Page, str | None], Iterator[RenderableType]]] = {
    Subject.BUDGET: lambda page, _name: budget_words(page),
    Subject.FEED: feed_words,
    Subject.CHANNEL: channel_words,
}


def explain(subject: Subject, name: str | None, ingest: str, terminal: Terminal, *, raw: bool) -> int:
    """Print it; return 1 if something is wrong with it, else 0.

    Args:
        subject: what to explain.
        name: which feed or channel; None: all.
        ingest: base URL of an uw-ingest's operator port; any replica knows all.
        terminal: where to print.
        raw: print the JSON as it is.
    """
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


def _asked(ingest: str) -> tuple[str, dict[str, Any]]:
    try:
        answer = httpx.get(f"{ingest}/budget", timeout=10)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CannotRun(
            f"No uw-ingest answers at {ingest} ({type(error).__name__}). Is it up (`make up`), and is this "
            "its operator port? Name another with --ingest."
        ) from None
    try:
        page = answer.json()
    except ValueError:
        page = None
    if answer.status_code != httpx.codes.OK or not isinstance(page, dict):
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
