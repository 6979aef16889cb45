"""What `GET /budget` of uw-ingest says, as tables and sentences for a person. Pure.

The page comes from another process, perhaps of another version: what it lacks is left out, never an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from baleen.tables import Page, add_row, marked, new_table, rows_of

_FINE_FEEDS = frozenset({"live", "quiet", "backfilling", "disabled"})
_GOOD = frozenset({"connected", "joined", "live", "quiet"})
_MILD = frozenset({"free", "connecting", "taken", "backfilling", "waiting", "disabled", "not joined"})


def budget_words(page: Page) -> Iterator[RenderableType]:
    """Yield the whole budget: sockets, channels, wishes not served, REST, and what is wrong."""
    sockets = _part(page, "sockets")
    planner = _part(page, "planner").get("holder") or "nobody"
    yield Text.assemble(
        ("Sockets ", "bold"),
        f"at most {sockets.get('ceiling', '?')}: {sockets.get('why') or 'as set'}. Planned by {planner}; "
        f"answered by {page.get('replica', '?')}.",
    )
    yield _slots(rows_of(sockets, "slots"))
    if channels := rows_of(page, "channels"):
        yield _channels(channels)
    for wish in rows_of(page, "unserved"):
        yield marked("wish not served", "yellow", f"{wish.get('topic')} ({_names(wish)}): {wish.get('why')}")
    yield Text.assemble(("REST ", "bold"), _rest(_part(page, "rest")))
    if questions := _question_rows(page):
        yield _questions(questions)
    yield from _trouble(page)


def feed_words(page: Page, name: str | None) -> Iterator[RenderableType]:
    """Yield how the feeds stand, or one of them with the channels and questions that bring it."""
    feeds = _part(page, "feeds")
    chosen = {name: feeds[name]} if name else feeds
    table = new_table("feed", "state", "why", "what to do")
    for feed, told in chosen.items():
        told = told if isinstance(told, Mapping) else {}  # noqa: PLW2901 - a stranger's page
        state = str(told.get("state", "?"))
        add_row(table, feed, _coloured(state), str(told.get("why") or ""), str(told.get("do") or ""))
    yield table
    if name:
        asked = [row for row in _question_rows(page) if row.get("feed") == name]
        if asked:
            yield _questions(asked)


def channel_words(page: Page, name: str | None) -> Iterator[RenderableType]:
    """Yield where the channels sit and why, or one of them."""
    chosen = [row for row in rows_of(page, "channels") if name in (None, row.get("channel"))]
    yield _channels(chosen)
    for row in chosen:
        slot = next((s for s in _slot_rows(page) if s.get("slot") == row.get("slot")), {})
        if name and slot:
            yield Text(f"Socket {slot.get('slot')} is {slot.get('state')}, held by {slot.get('holder')}.")
        if row.get("trouble"):
            yield marked("wrong", "red", f"{row.get('channel')}: {row['trouble']}")
    for wish in rows_of(page, "unserved"):
        if name is None or name in str(wish.get("topic")):
            yield marked(
                "wish not served", "yellow", f"{wish.get('topic')} ({_names(wish)}): {wish.get('why')}"
            )


def names_of(page: Page, what: str) -> list[str]:
    """Return which feeds or channels there are."""
    if what == "feed":
        return sorted(_part(page, "feeds"))
    return sorted(str(row.get("channel")) for row in rows_of(page, "channels"))


def is_well(page: Page, what: str, name: str | None) -> bool:
    """Tell whether nothing is wrong with the budget, the feeds or the channels; or with one that is named."""
    if what == "feed":
        feeds = _part(page, "feeds")
        states = [str(_part(feeds, feed).get("state")) for feed in feeds if name in (None, feed)]
        return all(state in _FINE_FEEDS for state in states)
    if what == "channel":
        chosen = [row for row in rows_of(page, "channels") if name in (None, row.get("channel"))]
        return all(row.get("state") == "joined" for row in chosen)
    return not rows_of(page, "trouble")


def _slots(rows: Sequence[Page]) -> Table:
    table = new_table("socket", "holder", "state", "for another", "channels", "why and what to do")
    for row in rows:
        joined, planned = _texts(row.get("joined")), _texts(row.get("planned"))
        until = row.get("until_s")
        left = f"{until:.1f} s" if isinstance(until, int | float) else ""
        holder = f"{row.get('holder') or '-'}{' (this one)' if row.get('mine') else ''}"
        state = f"{row.get('state', '?')}{', leaving' if row.get('leaving') else ''}"
        words = " ".join(str(row[key]) for key in ("why", "do") if row.get(key))
        count = f"{len(set(joined) & set(planned))} of {len(planned)}" if planned else str(len(joined))
        add_row(table, str(row.get("slot", "?")), holder, _coloured(state), left, count, words)
    return table


def _channels(rows: Sequence[Page]) -> Table:
    table = new_table("channel", "socket", "state", "a second", "wished by", "why there")
    for row in rows:
        moving = f" (moving from {row['moving_from']})" if row.get("moving_from") is not None else ""
        weight = row.get("weight")
        each = f"{weight:.1f}" if isinstance(weight, int | float) else ""
        slot = "-" if row.get("slot") is None else str(row["slot"])
        add_row(table,
            str(row.get("channel", "?")), slot, _coloured(str(row.get("state", "?")) + moving), each,
            _names(row), str(row.get("why") or ""),
        )  # fmt: skip
    return table


def _rest(rest: Page) -> str:
    limit, used = rest.get("day_limit"), rest.get("day_used")
    day = f"{used} used today of {limit}" if limit else f"{used} used today, the limit is not known yet"
    parts = [
        f"by {rest.get('holder') or 'nobody'}",
        str(rest.get("why") or ""),
        f"{rest['minute_left']} left this minute" if rest.get("minute_left") is not None else "",
        day if used is not None else "",
        f"{rest['in_flight']} in flight" if rest.get("in_flight") is not None else "",
        _forecast(rest.get("forecast")),
        f"last refusal: {rest['last_limit']}" if rest.get("last_limit") else "",
    ]
    return "; ".join(part for part in parts if part) + "."


def _forecast(told: Any) -> str:
    if not isinstance(told, Mapping):
        return str(told or "")
    if told.get("lasts"):
        return f"it lasts: {told.get('planned')} more are planned today, {told.get('unspent')} stay unspent"
    return f"it ends at {told.get('ends_at')}, before the day does"


def _question_rows(page: Page) -> list[Page]:
    """Return what REST is asked, one row a question; a page gives a list, or an object by name."""
    rest = _part(page, "rest")
    by_name = _part(rest, "questions")
    named = [{"name": name, **row} for name, row in by_name.items() if isinstance(row, Mapping)]
    return [*named, *rows_of(rest, "questions")]


def _questions(rows: Sequence[Page]) -> Table:
    table = new_table("asked by REST", "for", "every", "next in", "last error")
    for row in rows:
        feed = str(row.get("feed", "?"))
        every, following = (
            f"{value:.0f} s" if isinstance(value := row.get(key, row.get(other)), int | float) else "-"
            for key, other in (("every_s", ""), ("next_in_s", "due_in_s"))
        )
        error = str(row.get("last_error") or row.get("why") or "")
        add_row(table, str(row.get("name", feed)), feed, every, following, error)
    return table


def _trouble(page: Page) -> Iterator[RenderableType]:
    rows = rows_of(page, "trouble")
    if not rows:
        yield marked("well", "green", "nothing is wrong")
    for row in rows:
        yield marked("wrong", "red", f"{row.get('what')}\n      do: {row.get('do') or 'wait'}")


def _coloured(state: str) -> Text:
    word = state.partition(",")[0].partition(" (")[0]
    return Text(state, "green" if word in _GOOD else "yellow" if word in _MILD else "red")


def _slot_rows(page: Page) -> list[Page]:
    return rows_of(_part(page, "sockets"), "slots")


def _part(page: Page, name: str) -> Page:
    found = page.get(name)
    return found if isinstance(found, Mapping) else {}


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _names(row: Page) -> str:
    return ", ".join(_texts(row.get("by"))) or "-"
