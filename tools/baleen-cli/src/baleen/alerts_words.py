"""What an alert-bridge tells of alerts, as tables and sentences for a person. Pure.

The page comes from another process, perhaps of another version: what it lacks is left out, never an error.
What is in an alert was written by anybody: only printable characters reach the terminal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from baleen.tables import Page, add_row, marked, new_table, rows_of

_LONGEST_HEADLINE = 100
_COLOURS = {"delivered": "green", "suppressed": "yellow", "dead": "red", "in_flight": "cyan"}
_STATES = {"running": "green", "waiting": "cyan", "open": "yellow", "stopped": "red", "removed": "yellow"}
_NUMBERS = ("accepted", "delivered", "suppressed", "dead", "in_flight", "unaccounted", "possible_duplicates")


def history_words(page: Page) -> Iterator[RenderableType]:
    """Yield the alerts of a page, newest last."""
    rows = rows_of(page, "alerts")
    if not rows:
        yield Text("No alert fits.")
    else:
        table = new_table("seq", "stored", "type", "source", "symbol", "severity", "headline", "id")
        for row in rows:
            alert = _part(row, "alert")
            add_row(table,
                _said(row, "seq"), _when(row, "stored_at"), _said(alert, "alert_type"),
                _said(alert, "source"), _said(alert, "symbol"), _said(alert, "severity"), headline(alert),
                _said(alert, "id"),
            )  # fmt: skip
        yield table
    if page.get("more"):
        yield marked("more", "cyan", f"there are more: --since {page.get('next')}")


def alert_words(told: Page) -> Iterator[RenderableType]:
    """Yield one alert, whole, and its life."""
    alert = _part(told, "alert")
    yield Text.assemble(
        ("Alert ", "bold"), f"{_said(alert, 'id')}, number {_said(told, 'seq')}, ",
        f"stored {_when(told, 'stored_at')}",
    )  # fmt: skip
    for name, value in alert.items():
        if name != "id" and value not in ("", [], {}, None):
            yield Text.assemble((f"  {name} ", "bold"), printable(_text(value), lines=True))
    life = rows_of(told, "life")
    if not life:
        yield marked("nobody", "yellow", "there is no destination; ALERT_BRIDGE_RULES names the rules")
        return
    table = new_table(
        "destination", "state", "reason", "at", "attempts", "told as", "status", "route", "detail"
    )
    for chapter in life:
        state = str(chapter.get("state", "?"))
        add_row(table,
            _said(chapter, "destination"), Text(printable(state), _COLOURS.get(state, "")),
            _said(chapter, "reason"), _when(chapter, "at"), _said(chapter, "attempts"),
            _said(chapter, "remote_id"), _said(chapter, "status"), _said(chapter, "route"),
            _said(chapter, "detail"),
        )  # fmt: skip
    yield table


def account_words(page: Page) -> Iterator[RenderableType]:
    """Yield every destination's account, the reasons, and whether it adds up."""
    table = new_table("destination", *(name.replace("_", " ") for name in _NUMBERS), "state", "why")
    rows = rows_of(page, "destinations")
    for row in rows:
        add_row(table, _said(row, "name"), *(str(_count(row, name)) for name in _NUMBERS), *_standing(row))
    totals = _part(page, "totals")
    if len(rows) > 1:
        add_row(table, "all", *(str(_count(totals, name)) for name in _NUMBERS), "", "")
    yield table if rows else Text("There is no destination; ALERT_BRIDGE_RULES names the rules.")
    for row in rows:
        for end in ("suppressed", "dead"):
            reasons = row.get(end)
            if isinstance(reasons, Mapping) and reasons:
                words = ", ".join(f"{printable(str(why))} {count}" for why, count in reasons.items())
                yield Text(f"{_said(row, 'name')}: {end} as {words}")
    if missing := unaccounted(page):
        yield marked("off", "red", f"{', '.join(missing)}: not every accepted alert is accounted for")
    elif rows:
        yield marked("even", "green", "accepted = delivered + suppressed + dead + in flight")


def unaccounted(page: Page) -> list[str]:
    """Return the destinations whose account does not add up."""
    return [_said(row, "name") for row in rows_of(page, "destinations") if _count(row, "unaccounted")]


def destination_words(page: Page) -> Iterator[RenderableType]:
    """Yield every destination, and how it fares."""
    rows = rows_of(page, "destinations")
    if not rows:
        yield Text("There is no destination; ALERT_BRIDGE_RULES names the rules.")
        return
    table = new_table("destination", "state", "why", "served by", "in flight", "dead")
    for row in rows:
        add_row(table,
            _said(row, "name"), *_standing(row), _said(row, "served_by"), str(_count(row, "in_flight")),
            str(_count(row, "dead")),
        )  # fmt: skip
    yield table


def dead_words(page: Page) -> Iterator[RenderableType]:
    """Yield the dead letters of a page, newest last."""
    rows = rows_of(page, "letters")
    if not rows:
        yield Text("There is no dead letter.")
        return
    table = new_table(
        "seq", "died", "destination", "reason", "status", "attempts", "sent again", "headline", "detail"
    )
    for row in rows:
        again = "yes" if row.get("sent_again") else ""
        add_row(table,
            _said(row, "seq"), _when(row, "at"), _said(row, "destination"), _said(row, "reason"),
            _said(row, "status"), _said(row, "attempts"), again, headline(_part(row, "alert")),
            _said(row, "detail"),
        )  # fmt: skip
    yield table
    if page.get("more"):
        yield marked("more", "cyan", f"there are more: --since {page.get('next')}")


def sent_words(told: Page) -> Iterator[RenderableType]:
    """Yield which letters were sent again, and which were not."""
    sent = told.get("sent_again")
    count = len(sent) if isinstance(sent, list) else 0
    yield marked(
        "sent", "green", f"{count} to {_said(told, 'destination')}; `baleen alerts account` tells on"
    )
    for row in rows_of(told, "refused"):
        yield marked("not", "yellow", f"{_said(row, 'seq')}: {_said(row, 'why')}")


def headline(alert: Page) -> str:
    """Return what an alert says first, on one line."""
    embed = _part(alert, "embed")
    texts = (alert.get("title"), alert.get("content"), embed.get("title"), embed.get("description"))
    first = next((text for text in texts if isinstance(text, str) and text.strip()), "")
    line = " ".join(printable(first).split())
    return line if len(line) <= _LONGEST_HEADLINE else line[: _LONGEST_HEADLINE - 1] + "…"


def printable(text: str, *, lines: bool = False) -> str:
    """Return *text* without what a terminal would act on; with *lines*, its lines stay."""
    return "".join(letter if letter.isprintable() or (lines and letter == "\n") else " " for letter in text)


def _standing(row: Page) -> tuple[Text, str]:
    state = str(row.get("state", "?"))
    return Text(printable(state), _STATES.get(state, "")), _said(row, "why")


def _said(row: Page, name: str) -> str:
    value = row.get(name)
    return "" if value is None else printable(str(value))


def _when(row: Page, name: str) -> str:
    """A time to the second; the rest is for machines."""
    text = _said(row, name)
    return f"{text[:19].replace('T', ' ')}Z" if len(text) > 19 else text  # noqa: PLR2004 - to the second


def _part(row: Page, name: str) -> Page:
    value = row.get(name)
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _count(row: Page, name: str) -> int:
    value = row.get(name)
    if isinstance(value, Mapping):
        return sum(count for count in value.values() if isinstance(count, int))
    return value if isinstance(value, int) else 0
