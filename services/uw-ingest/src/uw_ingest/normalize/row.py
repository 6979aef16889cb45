"""What the rows of all families need before they can be validated. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from baleen_contracts.option_symbol import OptionSymbol
from uw_ingest.errors import Refused
from uw_ingest.refusals import Refusal

Row = Mapping[str, Any]

_RANGE_ERRORS = frozenset(
    {
        "finite_number",
        "greater_than",
        "greater_than_equal",
        "less_than",
        "less_than_equal",
        "int_parsing_size",
        "too_long",
        "string_too_long",
    }
)
FIRST_MOMENT, LAST_MOMENT = 946_684_800_000, 4_102_444_800_000  # the years 2000 and 2100, milliseconds


DEEPEST = 64  # levels of free JSON; every writer and reader of JSON manages so many, not all manage 300


def shallow(value: Any) -> Any:
    """Return free JSON as it is.

    Raises:
        Refused: it is nested as no honest payload is.
    """
    level = [value]
    for _ in range(DEEPEST):
        level = [
            item
            for outer in level
            if isinstance(outer, dict | list)
            for item in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return value
    raise Refused(Refusal.NOT_JSON)


def unblank(row: Row) -> Row:
    """Return the row without its empty texts: upstream writes ``""`` where it has no number."""
    if "" not in row.values():
        return row
    return {key: value for key, value in row.items() if value != ""}


def occ(text: Any) -> OptionSymbol:
    """Read an OCC symbol.

    Raises:
        Refused: there is none, or it is none.
    """
    if type(text) is not str:
        raise Refused(Refusal.MISSING_FIELD if text is None else Refusal.WRONG_TYPE)
    try:
        return OptionSymbol.parse(text)
    except ValueError:
        raise Refused(Refusal.BAD_OPTION_SYMBOL) from None


def codes(text: Any) -> Sequence[str]:
    """Split upstream's comma-separated codes."""
    return split(text) if type(text) is str else (text or ())


def product(price: Any, size: Any) -> float | None:
    """Return price times size in dollars, or ``None`` when either is no number."""
    try:
        return round(float(price) * int(size), 4)
    except (TypeError, ValueError, OverflowError):
        return None


def moment(*candidates: Any) -> datetime | None:
    """Return the first candidate that is a time, as upstream writes times: epoch milliseconds or ISO-8601."""
    for candidate in candidates:
        if type(candidate) is int and FIRST_MOMENT <= candidate < LAST_MOMENT:
            return datetime.fromtimestamp(candidate / 1000, UTC)
        if type(candidate) is str and "T" in candidate:
            try:
                found = datetime.fromisoformat(candidate)
            except ValueError:
                continue
            if found.tzinfo is not None:
                return found.astimezone(UTC)
    return None


def reason_of(error: ValidationError) -> Refusal:
    """Say in one word of the closed list why a contract refused a row."""
    detail = error.errors(include_url=False, include_context=False)[0]
    if detail["input"] is None or detail["type"] == "missing":
        return Refusal.MISSING_FIELD
    return Refusal.OUT_OF_RANGE if detail["type"] in _RANGE_ERRORS else Refusal.WRONG_TYPE


@lru_cache(maxsize=1024)
def split(text: str) -> tuple[str, ...]:
    """Return what stands between commas."""
    return tuple(part for part in text.split(",") if part)
