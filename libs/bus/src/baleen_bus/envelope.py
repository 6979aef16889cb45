"""What stands around a body on the wire: the identity going out, the stream's number coming in. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import quote, unquote

from baleen_contracts.catalogue import by_name
from baleen_contracts.message import Message

from baleen_bus.errors import DropReason, PublishRefused
from baleen_bus.streams import INGRESS, keeping_headers

_SUBJECT = re.compile(r"[!-~]+")
_PLAIN = re.compile(r"[!#$&-~]+")
_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
_ORIGIN = re.compile(rb"Nats-Stream: (\S+)\r\nNats-Subject: (\S+)\r\nNats-Sequence: (\d+)\r\n")
_PREVIOUS = re.compile(rb"Nats-Last-Sequence: (\d+)\r\n")


class Frame(NamedTuple):
    """One publish command, ready to send."""

    subject: str
    command: bytes


class Origin(NamedTuple):
    """Where a message is stored. ``previous`` is the subject's sequence before this one; 0 means unknown."""

    stream: str
    subject: str
    seq: int
    previous: int


class Envelopes:
    """Puts messages of one source into publish commands: the body bare, the identity as CloudEvents headers."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._middles: dict[type[Message], str] = {}

    def frame(self, message: Message, reply: str) -> Frame:
        """The command that publishes ``message``, its ack to go to ``reply``.

        Raises:
            PublishRefused: no stream keeps this kind of message, or its subject cannot travel.
        """
        middle = self._middles.get(type(message))
        if middle is None:
            middle = self._middles[type(message)] = self._middle(type(message))
        subject = INGRESS + message.subject
        if _SUBJECT.fullmatch(subject) is None:
            raise PublishRefused(DropReason.MALFORMED, f"subject {subject!r}")
        body = message.to_json()
        identity = header_value(message.message_id)
        time = message.occurred_at.isoformat()
        if time.endswith("+00:00"):
            time = time[:-6] + "Z"
        head = f"NATS/1.0\r\nNats-Msg-Id: {identity}{middle}ce-id: {identity}\r\nce-time: {time}\r\n\r\n"
        size = len(head)
        command = f"HPUB {subject} {reply} {size} {size + len(body)}\r\n{head}".encode("ascii")
        return Frame(subject, b"%b%b\r\n" % (command, body))

    def _middle(self, kind: type[Message]) -> str:
        entity = by_name(kind.entity)
        if entity.stream is None:
            raise PublishRefused(DropReason.MALFORMED, f"no stream keeps {entity.name}")
        headers = {"ce-specversion": "1.0", "ce-type": kind.type, "ce-source": self._source}
        headers |= keeping_headers(entity)
        return "\r\n" + "".join(f"{name}: {header_value(value)}\r\n" for name, value in headers.items())


def header_value(text: str) -> str:
    """Percent-encodes what a CloudEvents header may not hold: spaces, quotes, ``%``, controls, non-ASCII."""
    if _PLAIN.fullmatch(text) is not None:
        return text
    return quote(text.encode("utf-8", "surrogatepass"), safe=_SAFE)


def header_text(value: str) -> str:
    """The text that ``header_value`` encoded."""
    return unquote(value)


def origin_of(headers: bytes | None) -> Origin | None:
    """Where a stream says the message is stored; None if no stream said so.

    The server appends its headers, so the last ones count: earlier ones of the same name are the publisher's.
    """
    if headers is None:
        return None
    at = headers.rfind(b"Nats-Stream: ")
    if at < 0:
        return None
    found = _ORIGIN.match(headers, at)
    if found is None:
        return None
    stream, subject, seq = found.groups()
    previous = _PREVIOUS.search(headers, found.end())
    return Origin(stream.decode(), subject.decode(), int(seq), int(previous[1]) if previous else 0)


class Headers(Mapping[str, str]):
    """A message's headers, read from the raw block when first asked for; the last of equal names counts."""

    __slots__ = ("_parsed", "_raw")

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._parsed: dict[str, str] | None = None

    def _all(self) -> dict[str, str]:
        if self._parsed is None:
            lines = self._raw.decode("utf-8", "replace").split("\r\n")
            pairs = (line.partition(":") for line in lines[1:] if ":" in line)
            self._parsed = {name.strip(): value.strip() for name, _, value in pairs}
        return self._parsed

    def __getitem__(self, name: str) -> str:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return f"Headers({self._all()!r})"
