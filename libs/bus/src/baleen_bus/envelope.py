"""What stands around a body on the wire: the identity going out, the stream's number coming in. Pure."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote

import orjson

from baleen_bus.errors import DropReason, PublishRefused
from baleen_bus.streams import INGRESS, keeping_headers, replaces_older
from baleen_contracts.catalogue import by_name
from baleen_contracts.message import Publishable

_written, _WITH_Z = orjson.dumps, orjson.OPT_UTC_Z
_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
_ORIGIN = re.compile(
    rb"Nats-Stream: (\S+)\r\nNats-Subject: (\S+)\r\nNats-Sequence: (\d+)\r\nNats-Time-Stamp: \S+\r\n"
    rb"(?:Nats-Num-Pending: \d+\r\n)?Nats-Last-Sequence: (\d+)\r\n"
)


class Route(NamedTuple):
    """Where messages of one kind go, and whether each replaces the older one of its subject there."""

    stream: str
    replaces: bool


class Envelopes:
    """Puts messages of one source into publish commands: body bare, identity as CloudEvents headers."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._kinds: dict[type[Publishable], tuple[str, Route]] = {}

    def frame(
        self, message: Publishable, reply: str, traceparent: str | None = None
    ) -> tuple[str, bytes, Route]:
        """The subject, the whole command that publishes ``message`` there, and the way it goes.

        The ack goes to ``reply``; ``traceparent`` goes along for whoever continues the trace.

        Raises:
            PublishRefused: no stream keeps this kind of message, its subject cannot travel, or it has no
                JSON, subject or id to travel as.
        """
        subject, head, body, route = self._parts(message)
        if traceparent is not None:
            head = f"{head[:-2]}traceparent: {header_value(traceparent)}\r\n\r\n"
        size = len(head)
        command = f"HPUB {subject} {reply} {size} {size + len(body)}\r\n{head}"
        return subject, b"".join((command.encode("ascii"), body, b"\r\n")), route

    def letter(self, message: Publishable) -> tuple[str, dict[str, str], bytes]:
        """The subject, the headers and the body of ``message``; raises as ``frame``."""
        subject, head, body, _ = self._parts(message)
        return subject, dict(Headers(head.encode("ascii"))), body

    def _parts(self, message: Publishable) -> tuple[str, str, bytes, Route]:
        try:
            kind = self._kinds.get(type(message))
            if kind is None:
                kind = self._kinds[type(message)] = self._kind(type(message))
            middle, route = kind
            subject = _ingress(message.subject)
            body = message.to_json()
            identity = header_value(message.message_id)
            time = _written(message.occurred_at, option=_WITH_Z)[1:-1].decode()
        except PublishRefused:
            raise
        except Exception as error:  # a message may hold what no check foresaw, and must not stop the rest
            raise PublishRefused(DropReason.MALFORMED, f"{type(error).__name__}: {error}"[:200]) from error
        head = f"NATS/1.0\r\nNats-Msg-Id: {identity}{middle}{identity}\r\nce-time: {time}\r\n\r\n"
        return subject, head, body, route

    def _kind(self, kind: type[Publishable]) -> tuple[str, Route]:
        entity = by_name(kind.entity)
        if entity.stream is None:
            raise PublishRefused(DropReason.MALFORMED, f"no stream keeps {entity.name}")
        headers = {"ce-specversion": "1.0", "ce-type": kind.type, "ce-source": self._source}
        headers |= keeping_headers(entity)
        lines = "".join(f"{name}: {header_value(value)}\r\n" for name, value in headers.items())
        return f"\r\n{lines}ce-id: ", Route(entity.stream, replaces_older(entity))


@lru_cache(maxsize=1 << 14)
def _ingress(public: str) -> str:
    """Where a message of this public subject is sent to."""
    subject = INGRESS + public
    if not subject.isascii() or not subject.isprintable() or " " in subject:
        raise PublishRefused(DropReason.MALFORMED, f"subject {subject!r}")
    return subject


def header_value(text: str) -> str:
    """Percent-encodes what a CloudEvents header may not hold: spaces, quotes, ``%``, controls, non-ASCII."""
    if text.isascii() and text.isprintable() and not (" " in text or '"' in text or "%" in text):
        return text
    return quote(text.encode("utf-8", "surrogatepass"), safe=_SAFE)


def header_text(value: str) -> str:
    """The text that ``header_value`` encoded."""
    return unquote(value)


def origin_of(headers: bytes) -> tuple[bytes, bytes, int, int] | None:
    """Where a stream says it keeps a message: its name, subject, sequence, and the subject's sequence before.

    None if no stream said so. The server appends its headers, so the last ones count: earlier ones of the
    same name are the publisher's. Of a republished message, 0 as the sequence before means unknown; of a
    fetched one it says nothing.
    """
    found = _ORIGIN.match(headers, max(0, headers.rfind(b"Nats-Stream: ")))
    if found is None:
        return None
    stream, subject, seq, previous = found.groups()
    return stream, subject, int(seq), int(previous)


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

    def _newest(self, name: bytes) -> str | None:
        """One header without reading the others; None if it is not there, or not as usually written."""
        at = self._raw.rfind(b"\r\n%b:" % name)
        if at < 0:
            return None
        start = at + len(name) + 3
        end = self._raw.find(b"\r\n", start)
        return self._raw[start : end if end >= 0 else None].decode("utf-8", "replace").strip()

    def __getitem__(self, name: str) -> str:
        if self._parsed is None:
            found = self._newest(name.encode("utf-8", "replace"))
            if found is not None:
                return found
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return f"Headers({self._all()!r})"
