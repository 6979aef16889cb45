"""What `GET /v1/clients` of a gateway says, as tables and sentences for a person. Pure.

The page comes from another process, perhaps of another version: what it lacks is left out, never an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from baleen.tables import Page, add_row, marked, new_table, rows_of

LAGS_FROM_MS = 1_000.0
"""From here on a client counts as slow."""
_KIB = 1_024


def list_words(page: Page) -> Iterator[RenderableType]:
    """Yield the clients that the gateway tells of, and what it could not tell."""
    rows = rows_of(page, "clients")
    total, workers = page.get("total", "?"), page.get("workers", "?")
    yield Text.assemble(("Clients ", "bold"), f"{total}, served by {workers} workers; shown: {len(rows)}.")
    if rows:
        yield _clients(rows)
    for worker in _items(page, "silent"):
        yield marked("silent", "yellow", f"worker {worker} did not answer; its clients are not shown")


def client_words(page: Page) -> Iterator[RenderableType]:
    """Yield all about one client, and at the end whether it keeps up."""
    yield Text.assemble(
        ("Client ", "bold"),
        f"{page.get('id', '?')} ({page.get('label', '?')}, {page.get('dialect', '?')}) from "
        f"{page.get('address') or 'an unknown address'}, since {page.get('connected_at', '?')}; served by "
        f"worker {page.get('worker', '?')} on {page.get('host', '?')}.",
    )
    yield Text.assemble(("Given ", "bold"), _given(page))
    yield Text.assemble(("May ", "bold"), _may(page))
    topics = rows_of(page, "topics")
    if topics:
        yield _topics(topics, int(_number(page, "topics_not_told")))
    yield from _verdict(page)


def keeps_up(page: Page) -> bool:
    """Tell whether a client keeps up; or each that is shown."""
    return all(not _lags(row) for row in (rows_of(page, "clients") if "clients" in page else [page]))


def _lags(row: Page) -> bool:
    return bool(row.get("behind")) or _number(row, "lag_ms") >= LAGS_FROM_MS


def _given(page: Page) -> str:
    waiting = _number(page, "waiting_bytes") / _KIB
    parts = [
        f"{page.get('messages', '?')} messages",
        f"{page.get('conflated', 0)} passed over for newer ones of their subject",
        f"{page.get('skipped', 0)} dropped when it fell behind",
        f"{waiting:,.0f} KiB wait" if waiting else "nothing waits",
    ]
    return "; ".join(parts) + "."


def _may(page: Page) -> str:
    may = page.get("may")
    if not isinstance(may, Mapping):
        return "what is not told."
    who = f" as {page['subject']}" if page.get("subject") else ", being asked for no token"
    until = f", until {may['until']:.0f} (Unix seconds)" if isinstance(may.get("until"), int | float) else ""
    hears = ", ".join(map(str, _items(may, "subscribe"))) or "nothing"
    says = ", ".join(map(str, _items(may, "publish"))) or "nothing"
    admin = "; look at other clients" if may.get("admin") else ""
    return f"hear {hears}; command {says}{admin}{who}{until}."


def _verdict(page: Page) -> Iterator[RenderableType]:
    times, lag = int(_number(page, "times_behind")), _number(page, "lag_ms") / 1000
    if page.get("behind"):
        yield marked("behind", "red", "it read too slowly and is catching up from the streams")
    elif lag * 1000 >= LAGS_FROM_MS:
        yield marked(
            "slow", "red", f"it lags by {lag:.1f} s: the client, or the way to it, takes less than comes"
        )
    else:
        yield marked("well", "green", "it keeps up")
    if times:
        gap = page.get("last_gap")
        after = (
            ", ".join(f"{stream} {seq}" for stream, seq in gap.items()) if isinstance(gap, Mapping) else "?"
        )
        yield marked(
            "before",
            "yellow",
            f"it fell behind {times} times, last at {page.get('last_gap_at')}, after {after}",
        )


def _clients(rows: Sequence[Page]) -> Table:
    table = new_table("client", "label", "from", "subject", "messages", "KiB waiting", "lag")
    for row in rows:
        lag = Text(f"{_number(row, 'lag_ms') / 1000:.1f} s", "red" if _lags(row) else "")
        add_row(table,
            str(row.get("id", "?")), str(row.get("label", "?")), str(row.get("address") or "?"),
            str(row.get("subject") or "-"), str(row.get("messages", "?")),
            f"{_number(row, 'waiting_bytes') / _KIB:,.0f}", lag,
        )  # fmt: skip
    return table


def _topics(rows: Sequence[Page], more: int) -> Table:
    table = new_table("topic", "filter")
    for row in rows:
        add_row(table, str(row.get("topic", "?")), str(row.get("filter") or "-"))
    if more:
        add_row(table, f"and {more} more", "")
    return table


def _items(page: Page, name: str) -> list[Any]:
    value = page.get(name)
    return value if isinstance(value, list) else []


def _number(page: Page, name: str) -> float:
    value = page.get(name)
    return float(value) if isinstance(value, int | float) else 0.0
