"""The kinds of value a message is made of: bounded numbers, UTC times, short texts. Pure.

Bounds keep a mad number from the bus; they are far wider than any market. All are core-schema constraints,
so that checking them costs no Python call.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, JsonValue
from pydantic_core import core_schema

MAX_COUNT: Final = 2**53
"""The largest integer that every JSON reader holds exactly."""

MAX_DEPTH: Final = 64
"""The most levels of lists and objects in free data; readers of JSON give up from about 100."""

_MAX_AMOUNT: Final = 1e18


class _Utc:
    """A time in UTC; another zone is converted, a time without a zone is refused."""

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: Any) -> core_schema.CoreSchema:
        # The first branch never leaves Rust; only a time of another zone pays for the conversion.
        aware = core_schema.datetime_schema(tz_constraint="aware")
        return core_schema.union_schema(
            [
                core_schema.datetime_schema(tz_constraint=0),
                core_schema.no_info_after_validator_function(_to_utc, aware),
            ],
            mode="left_to_right",
            custom_error_type="utc_time",
            custom_error_message="Input should be a time with a zone, such as 2026-04-27T14:31:02Z",
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, *_: Any) -> dict[str, Any]:
        return {"type": "string", "format": "date-time"}


def _to_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the time is before the first or after the last day of the calendar") from error


def known(values: type[StrEnum] | Iterable[str], description: str = "") -> Any:
    """The field settings of an open string: any short text is valid, these values are known."""
    extra: dict[str, JsonValue] = {"x-known-values": [str(value) for value in values]}
    return Field(min_length=1, max_length=64, description=description or None, json_schema_extra=extra)


def travels(value: JsonValue) -> JsonValue:
    """Refuses free data that some reader of JSON could not read.

    That is lone surrogates, integers beyond 64 bits, and more than `MAX_DEPTH` levels.
    """
    _inspect(value, MAX_DEPTH)
    return value


def _inspect(value: JsonValue, levels: int) -> None:
    """Raises ValueError unless *value* travels; *levels* is how many it may still have."""
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise ValueError("integers have at most 64 bits")
    elif isinstance(value, list):
        below = _level_below(levels)
        for item in value:
            _inspect(item, below)
    elif isinstance(value, dict):
        below = _level_below(levels)
        for key, item in value.items():
            key.encode()
            _inspect(item, below)


def _level_below(levels: int) -> int:
    if not levels:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    return levels - 1


Utc = Annotated[datetime, _Utc]
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
SignedCount = Annotated[int, Field(ge=-MAX_COUNT, le=MAX_COUNT)]
Price = Annotated[float, Field(ge=0, le=1e9, description="US dollars a share or contract unit")]
Strike = Annotated[float, Field(gt=0, le=1e8, description="US dollars")]
Premium = Annotated[float, Field(ge=0, le=_MAX_AMOUNT, description="US dollars")]
SignedPremium = Annotated[
    float, Field(ge=-_MAX_AMOUNT, le=_MAX_AMOUNT, description="US dollars, may be negative")
]
Number = Annotated[float, Field(ge=-_MAX_AMOUNT, le=_MAX_AMOUNT)]
Exposure = Annotated[
    float,
    Field(
        ge=-_MAX_AMOUNT,
        le=_MAX_AMOUNT,
        description="Dealer exposure, US dollars per 1 % move of the underlying",
    ),
]
Ratio = Annotated[float, Field(ge=0, le=1e12)]
Symbol = Annotated[str, Field(min_length=1, max_length=64, description="Ticker as upstream spells it")]
OptionSymbolText = Annotated[str, Field(min_length=16, max_length=24, description="OCC option symbol")]
Id = Annotated[
    str, Field(min_length=1, max_length=200, pattern=r"^[!-~]+$", description="Printable ASCII, no space")
]
Label = Annotated[str, Field(min_length=1, max_length=64)]
Labels = Annotated[tuple[Annotated[str, Field(max_length=64)], ...], Field(max_length=512)]
Ids = Annotated[tuple[Id, ...], Field(max_length=10_000)]
Text = Annotated[str, Field(max_length=10_000)]
AnyJson = Annotated[JsonValue, AfterValidator(travels)]
Json = Annotated[dict[str, JsonValue], AfterValidator(travels)]
OptionType = Literal["call", "put"]
"""Closed, since no third kind of option can appear."""


class Side(StrEnum):
    """Where a print stood against the quote; ``none`` for late, out-of-sequence and cross prints."""

    ASK = "ask"
    BID = "bid"
    MID = "mid"
    NONE = "none"


class Sentiment(StrEnum):
    """What the side of a print suggests: bought calls and sold puts are bullish, the reverse bearish."""

    BULLISH = "bullish"
    BEARISH = "bearish"
    NEUTRAL = "neutral"
