"""What somebody wants to hear from upstream: how it is written, and read whoever wrote it. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from baleen_bus.buckets import BUCKETS, DEMAND, DEMAND_TTL
from baleen_bus.errors import WishReason, WishRefused
from baleen_bus.kv_entry import Entry, key_token, key_untoken

LONGEST_TOPIC: Final = 255
LONGEST_WISHER: Final = 80
LONGEST_KIND: Final = 20
LONGEST: Final = timedelta(seconds=DEMAND_TTL)
"""How far ahead a wish may reach; whoever wants longer says so again."""

_PARTS: Final = 3


@dataclass(frozen=True, slots=True)
class Wish:
    """``wisher`` wants what is said on ``topic``, a subject or pattern, until then."""

    topic: str
    kind: str
    wisher: str
    until: datetime

    @property
    def key(self) -> str:
        """Where it stands."""
        return f"{key_token(self.kind)}.{key_token(self.wisher)}.{key_token(self.topic)}"

    def to_json(self) -> bytes:
        """What stands there."""
        until = self.until.astimezone(UTC).replace(microsecond=0)
        return orjson.dumps(
            {"topic": self.topic, "kind": self.kind, "wisher": self.wisher, "until": until},
            option=orjson.OPT_UTC_Z,
        )


def wish_of(entry: Entry, now: datetime) -> Wish:
    """Reads a wish, which a stranger may have written. One whose time is over is still a wish.

    Raises:
        WishRefused: it is none, or reaches further than ten minutes from ``now``.
    """
    if len(entry.value) > BUCKETS[DEMAND].max_value:
        raise WishRefused(WishReason.TOO_BIG, f"{len(entry.value)} bytes")
    parts = entry.key.split(".")
    try:
        said = tuple(key_untoken(part) for part in parts)
    except ValueError as error:
        raise WishRefused(WishReason.MALFORMED_KEY, str(error)) from error
    if len(said) != _PARTS:
        raise WishRefused(WishReason.MALFORMED_KEY, "it is not <kind>.<wisher>.<topic>")
    wish = _said_in(entry.value)
    check_topic(wish.topic)
    check_wisher(wish.kind, wish.wisher)
    if (wish.kind, wish.wisher, wish.topic) != said:
        raise WishRefused(WishReason.CONTRADICTORY, "the key says something else than the body")
    if wish.until > now + LONGEST:
        raise WishRefused(WishReason.TOO_LONG, f"until {wish.until:%Y-%m-%dT%H:%M:%SZ}")
    return wish


def check_topic(topic: str) -> None:
    """Takes a subject or a pattern, and nothing else.

    Raises:
        WishRefused: it is neither.
    """
    parts = topic.split(".")
    good = (
        len(topic) <= LONGEST_TOPIC
        and topic.isascii()
        and topic.isprintable()
        and " " not in topic
        and all(parts)
        and ">" not in "".join(parts[:-1])
        and all(part in ("*", ">") or not {"*", ">"} & set(part) for part in parts)
    )
    if not good:
        raise WishRefused(WishReason.MALFORMED_TOPIC, f"{topic[:LONGEST_TOPIC]!r} is no subject or pattern")


def check_wisher(kind: str, wisher: str) -> None:
    """Takes names that can be told on with every topic that is wished for.

    Raises:
        WishRefused: one is too long.
    """
    for what, name, longest in (("kind", kind, LONGEST_KIND), ("name", wisher, LONGEST_WISHER)):
        if len(name) > longest:
            raise WishRefused(WishReason.TOO_BIG, f"a wisher's {what} has at most {longest} characters")


def _said_in(body: bytes) -> Wish:
    try:
        value: Any = orjson.loads(body)
        topic, kind, wisher, until = (value[name] for name in ("topic", "kind", "wisher", "until"))
        moment = datetime.fromisoformat(until)
        utc = moment.astimezone(UTC)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise WishRefused(WishReason.MALFORMED_BODY, f"{type(error).__name__}: {error}") from error
    if not (isinstance(topic, str) and isinstance(kind, str) and isinstance(wisher, str)):
        raise WishRefused(WishReason.MALFORMED_BODY, "topic, kind and wisher are texts")
    if moment.tzinfo is None:
        raise WishRefused(WishReason.MALFORMED_BODY, "until names no time zone")
    return Wish(topic, kind, wisher, utc)
