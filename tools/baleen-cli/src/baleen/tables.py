"""Tables and marked lines for what another process tells, perhaps one of another version. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

Page = Mapping[str, Any]


def marked(word: str, colour: str, text: str) -> Text:
    """Return a line that begins with a coloured word."""
    return Text.assemble((f"{word:<6} ", f"bold {colour}"), text)


def new_table(*columns: str) -> Table:
    """Return an empty table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def add_row(table: Table, *cells: str | Text) -> None:
    """Add a row of texts that are shown as they are: a name may be somebody else's."""
    table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in cells))


def rows_of(page: Page, name: str) -> list[Page]:
    """Return the objects in a list of the page; none where there is no such list."""
    found = page.get(name)
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []
