"""`baleen alerts …`: what became of alerts, and what an operator does about it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType

from baleen.alerts_asking import ADMIN_TOKEN, Bridge
from baleen.alerts_words import (
    account_words,
    alert_words,
    dead_words,
    destination_words,
    history_words,
    sent_words,
    unaccounted,
)
from baleen.errors import CannotRun
from baleen.tables import rows_of
from baleen.terminal import Terminal

_MOST = 1_000
"""Letters that one request sends again."""
_LOOKS = 3
_BETWEEN = 1.0
"""Seconds between two looks at an account that does not add up: while alerts move it may not for a moment."""

Url = Annotated[str, typer.Option("--bridge", help="Any alert-bridge; each knows of all alerts.")]
Raw = Annotated[bool, typer.Option("--json", help="Print the answer as it is.")]
Since = Annotated[
    str | None,
    typer.Option(help="From when on: `2h`, `2026-04-27T14:31:02Z`, or a number of the stream. [the newest]"),
]
_HERE = "http://127.0.0.1:8002"


def add_commands(alerts: typer.Typer) -> None:
    """Give *alerts* the commands that tell what became of alerts."""
    alerts.command("list")(list_alerts)
    for command in (show, account, destinations, resume, dead, redeliver):
        alerts.command()(command)


def list_alerts(
    *,
    since: Since = None,
    kind: Annotated[str | None, typer.Option("--type", help="Of this type; several with commas.")] = None,
    source: Annotated[str | None, typer.Option(help="From this source; several with commas.")] = None,
    symbol: Annotated[str | None, typer.Option(help="About this symbol; several with commas.")] = None,
    severity: Annotated[
        str | None, typer.Option(help="At least: debug, info, warning, error or critical.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="Says this, in any case.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    bridge: Url = _HERE,
    raw: Raw = False,
) -> None:
    """List alerts as the bus keeps them, newest last: the newest, or from a moment on.

    Examples: `baleen alerts list`, `baleen alerts list --since 2h --type flow --symbol SPY`,
    `baleen alerts list --since 2026-04-27T14:30:00Z --severity error --limit 1000`.
    """
    query = {
        name: value
        for name, value in {
            "since": since, "type": kind, "source": source, "symbol": symbol, "severity": severity, "q": text
        }.items()
        if value
    }  # fmt: skip

    def tell(asked: Bridge) -> tuple[dict[str, Any], Iterable[RenderableType], int]:
        page = asked.history(query, limit)
        return page, history_words(page), 0

    _tell(bridge, tell, raw=raw)


def show(
    name: Annotated[str | None, typer.Argument(metavar="ID", help="The id its sender gave or got.")] = None,
    *,
    seq: Annotated[int | None, typer.Option(min=1, help="Its number in the stream instead.")] = None,
    bridge: Url = _HERE,
    raw: Raw = False,
) -> None:
    """Show one alert, whole, and what became of it at every destination.

    A state is delivered, suppressed (with the reason; `not_routed`: no rule leads there), dead (a dead
    letter), in_flight (with what it waits for), or not_served: stored before the destination was first
    served. Several sources may use the same id; all are shown. Examples: `baleen alerts show order-7`,
    `baleen alerts show --seq 4711`.
    """
    if (name is None) is (seq is None):
        raise typer.BadParameter("either an id, or --seq and a number")

    def tell(asked: Bridge) -> tuple[dict[str, Any], Iterable[RenderableType], int]:
        page = asked.alert(name) if name is not None else asked.alert_number(seq or 0)
        told = rows_of(page, "alerts") if "alerts" in page else [page]
        return page, (words for one in told for words in alert_words(one)), 0

    _tell(bridge, tell, raw=raw)


def account(*, bridge: Url = _HERE, raw: Raw = False) -> None:
    """Say for every destination what became of all alerts since it is served.

    accepted = delivered + suppressed + dead + in flight. Ends with 1 if that does not add up at three looks
    a second apart: while alerts move it may be off for a moment.
    """

    def tell(asked: Bridge) -> tuple[dict[str, Any], Iterable[RenderableType], int]:
        page = asked.account()
        for _ in range(_LOOKS - 1):
            if not unaccounted(page):
                break
            time.sleep(_BETWEEN)
            page = asked.account()
        return page, account_words(page), 1 if unaccounted(page) else 0

    _tell(bridge, tell, raw=raw)


def destinations(*, bridge: Url = _HERE, raw: Raw = False) -> None:
    """List the destinations: running, waiting (and for what), open (it failed often), stopped, or removed.

    A stopped one said that it is gone or that we may not: mend its URL in the rules, or `baleen alerts
    resume NAME`. Of a removed one the rules say nothing any more, and alerts still wait for it.
    """

    def tell(asked: Bridge) -> tuple[dict[str, Any], Iterable[RenderableType], int]:
        page = asked.destinations()
        return page, destination_words(page), 0

    _tell(bridge, tell, raw=raw)


def resume(
    name: Annotated[str, typer.Argument(help="The destination.")], *, bridge: Url = _HERE, raw: Raw = False
) -> None:
    """Let a stopped destination try again, on whichever replica serves it. Nothing that waited is lost."""

    def tell(asked: Bridge) -> tuple[dict[str, Any], Iterable[RenderableType], int]:
        page = asked.resume(name)
        return page, [f"{page.get('resumed', name)} tries again; `baleen alerts destinations` tells how."], 0

    _tell(bridge, tell, raw=raw)


def dead(
    *,
    destination: Annotated[str | None, typer.Option(help="Of this destination alone.")] = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 50,
    bridge: Url = _HERE,
    raw: Raw = False,
) -> None:
    """List dead letters, newest last: alerts that a destination will not get, with the reason.

    Nothing in a dead letter is lost: `baleen alerts redeliver` sends it again. Examples:
    `baleen alerts dead`, `baleen alerts dead --destination desk --since 1d`.
    """
    query: dict[str, str | int] = {"limit": limit}
    query |= {name: value for name, value in {"destination": destination, "since": since}.items() if value}

    def tell(asked: Bridge) -> tuple[dict[str, Any], Iterable[RenderableType], int]:
        page = asked.letters(query)
        return page, dead_words(page), 0

    _tell(bridge, tell, raw=raw)


def redeliver(
    destination: Annotated[str, typer.Argument(help="Whose dead letters.")],
    seqs: Annotated[list[int] | None, typer.Argument(metavar="[SEQ]…", help="Numbers from `dead`.")] = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="All of its letters that were not sent again yet.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    bridge: Url = _HERE,
    raw: Raw = False,
) -> None:
    """Send dead letters to their destination again, after asking.

    Rules are not asked again: a letter is sent. One is sent again once; if it dies again, that is a letter of
    its own. Ends with 1 if any was not sent. Examples: `baleen alerts redeliver desk 17 18`,
    `baleen alerts redeliver desk --all`.
    """
    if bool(seqs) is everything:
        raise typer.BadParameter("either some numbers, or --all")

    def tell(asked: Bridge) -> tuple[dict[str, Any], Iterable[RenderableType], int]:
        parts = [None] if not seqs else [seqs[place : place + _MOST] for place in range(0, len(seqs), _MOST)]
        count = sum(asked.redeliver(destination, part, dry_run=True).get("would_send", 0) for part in parts)
        if count and not yes:
            typer.confirm(f"Send {count} dead letters to {destination} again?", abort=True, err=True)
        told = _redelivered(asked, destination, parts)
        return told, sent_words(told), 1 if told["refused"] else 0

    _tell(bridge, tell, raw=raw)


def _redelivered(asked: Bridge, destination: str, parts: Sequence[list[int] | None]) -> dict[str, Any]:
    """What came of all parts together; None is asked for until nothing is left, or nothing goes."""
    sent: list[int] = []
    refused: list[Any] = []
    for part in parts:
        left = True
        while left:
            told = asked.redeliver(destination, part)
            sent += told.get("sent_again") or []
            refused += rows_of(told, "refused")
            left = part is None and bool(told.get("left")) and bool(told.get("sent_again"))
    return {"destination": destination, "sent_again": sent, "refused": refused}


def _tell(
    url: str, tell: Callable[[Bridge], tuple[dict[str, Any], Iterable[RenderableType], int]], *, raw: bool
) -> None:
    """Ask, print, and end with what *tell* says."""
    terminal = Terminal()
    try:
        page, words, code = tell(Bridge(url, os.environ.get(ADMIN_TOKEN) or None))
        if raw:
            terminal.plain(json.dumps(page, indent=2))
        else:
            for part in words:
                terminal.console.print(part)
    except CannotRun as problem:
        Terminal(Console(stderr=True, highlight=False, soft_wrap=True)).problem(str(problem))
        raise typer.Exit(1) from None
    raise typer.Exit(code)
