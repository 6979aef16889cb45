"""Everything that can be made to go wrong. Pure: what is armed, and the bytes of bad frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from uw_simulator.channels import text_frame

_BINARY = 0x2


class Garbage(StrEnum):
    """A kind of bad frame."""

    NOT_JSON = "not_json"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    NOT_AN_ARRAY = "not_an_array"
    THREE_ITEMS = "three_items"
    ERROR_OBJECT = "error_object"
    UNKNOWN_CHANNEL = "unknown_channel"
    PAYLOAD_NOT_AN_OBJECT = "payload_not_an_object"
    WRONG_TYPES = "wrong_types"
    MISSING_FIELDS = "missing_fields"
    NAN = "nan"
    HUGE_NUMBERS = "huge_numbers"
    INVALID_UTF8 = "invalid_utf8"
    DEEP = "deep"
    OVERSIZED = "oversized"
    BINARY = "binary"
    RESERVED_OPCODE = "reserved_opcode"


def garbage_frame(kind: Garbage, *, size: int = 20_000_000) -> bytes:
    """Return one bad WebSocket frame.

    Args:
        kind: what is wrong with it.
        size: bytes of an oversized frame.
    """
    if kind is Garbage.OVERSIZED:
        return text_frame(b'["news",{"headline":"' + b"x" * size + b'"}]')
    if kind is Garbage.BINARY:
        return text_frame(b'["news",{"headline":"in binary"}]', opcode=_BINARY)
    if kind is Garbage.RESERVED_OPCODE:
        return text_frame(b"reserved", opcode=0x3)
    return text_frame(_TEXTS[kind])


def _price(close: str, time: str, volume: str) -> bytes:
    return f'["price",{{"ticker":"SPY","close":{close},"time":{time},"vol":{volume}}}]'.encode()


_TEXTS = {
    Garbage.NOT_JSON: b"<html>502 Bad Gateway</html>",
    Garbage.TRUNCATED: b'["option_trades",{"id":"2f1c',
    Garbage.EMPTY: b"",
    Garbage.NOT_AN_ARRAY: b'"price"',
    Garbage.THREE_ITEMS: b'["price","SPY",{"close":"1.00"}]',
    Garbage.ERROR_OBJECT: b'{"error":"internal"}',
    Garbage.UNKNOWN_CHANNEL: b'["weather:NYC",{"temperature":"21"}]',
    Garbage.PAYLOAD_NOT_AN_OBJECT: b'["option_trades",[1,2,3]]',
    Garbage.WRONG_TYPES: _price("[]", '"noon"', '{"a":1}'),
    Garbage.MISSING_FIELDS: b'["option_trades",{"id":"2f1c6a40-0000-4000-8000-000000000000"}]',
    Garbage.NAN: _price("NaN", "1747419592926", "Infinity"),
    Garbage.HUGE_NUMBERS: _price('"1e999"', "9" * 400, "1e400"),
    Garbage.INVALID_UTF8: b'["news",{"headline":"\xff\xfe\xc3\x28"}]',
    Garbage.DEEP: b"[" * 100_000 + b"]" * 100_000,
}


@dataclass(slots=True)
class RestFault:
    """What the next REST requests get instead of an answer."""

    count: int = 0
    until: float = 0.0
    """Epoch seconds until which every request gets it, besides the counted ones."""
    status: int = 502
    body: str = "Something went wrong"
    content_type: str = "text/plain"
    delay: float = 0.0
    """Seconds before every answer, whatever it is; meanwhile the request is in flight."""
    path: str = ""
    """Only requests whose path begins like this."""
    charged: bool = False
    """Whether it passes the accounts first, as upstream's own; else the network in front answers."""
    limit: str = ""
    """One of `in_flight`, `minute`, `day`: a refusal in upstream's own words instead of status and body."""

    def strikes(self, path: str, now: float) -> bool:
        """Tell whether a request gets it, and use one up."""
        if not path.startswith(self.path):
            return False
        if now < self.until:
            return True
        if self.count > 0:
            self.count -= 1
            return True
        return False


@dataclass(slots=True)
class Faults:
    """What is armed for the whole simulator. Counts run down as they are used."""

    refuse: int = 0
    refuse_until: float = 0.0
    """Epoch seconds until which every handshake is refused, besides the counted ones."""
    refuse_status: int = 503
    refuse_body: str = ""
    close_after_accept: int = 0
    swallow_joins: int = 0
    """Joins of any channel that are lost without a word."""
    swallow: dict[str, int] = field(default_factory=dict)
    """The same, by channel."""
    deaf_joins: dict[str, int] = field(default_factory=dict)
    """Joins by channel that are acked, and no data follows until the channel is joined again."""
    hushed: set[str] = field(default_factory=set)
    """Names of channels that say nothing, while others go on."""
    duplicate: int = 0
    drop_share: float = 0.0
    """Share of data frames that are lost, as if every reader were slow."""
    delay: float = 0.0
    """Seconds that everything sent is late."""

    def spend(self, name: str) -> bool:
        """Use up one of an armed count; False if none is left."""
        left: int = getattr(self, name)
        if left > 0:
            setattr(self, name, left - 1)
        return left > 0

    def refuses(self, now: float) -> bool:
        """Tell whether a handshake at *now* is refused, and use one up."""
        return now < self.refuse_until or self.spend("refuse")

    def swallows(self, name: str) -> bool:
        """Tell whether a join of *name* is lost, and use one up."""
        return _use(self.swallow, name) or self.spend("swallow_joins")

    def deafens(self, name: str) -> bool:
        """Tell whether a join of *name* is acked and nothing more, and use one up."""
        return _use(self.deaf_joins, name)


def _use(counts: dict[str, int], name: str) -> bool:
    left = counts.get(name, 0)
    if left > 0:
        counts[name] = left - 1
    return left > 0
