"""Reads and writes the keys of a bucket, each write as exact as it is asked to be.

By plain requests: the client's own key-value store takes an expired value for an entry without one, leaks
its inner errors when a key expires meanwhile, and does not show a missing permission.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import nats.errors
import orjson

from baleen_bus.buckets import changes_of, stream_of, subject_of
from baleen_bus.connection import Bus
from baleen_bus.errors import ApiRefused, BusClosed, Conflict, Unreachable
from baleen_bus.kv_entry import Entry, key_token, key_untoken
from baleen_bus.reading import NOT_FOUND, Delivered, delivered, direct_get, fetch_last, fetch_newest

__all__ = ["Bucket", "BucketState", "Entry", "key_token", "key_untoken"]

WITHIN: Final = 2.0
"""Seconds one call may take, unless told otherwise."""

_KEY: Final = re.compile(r"[-/_=a-zA-Z0-9]+(\.[-/_=a-zA-Z0-9]+)*")
_EXPECTED_LAST: Final = "Nats-Expected-Last-Subject-Sequence"
_OPERATION: Final = "KV-Operation"
_CREATE_TRIES: Final = 4

# The server's codes for an expected revision that does not stand there (any more).
_WRONG_LAST: Final = frozenset({10071, 10164})


@dataclass(frozen=True, slots=True)
class BucketState:
    """A bucket as the server sees it. Both in seconds; ``ttl`` 0 is for ever."""

    ttl: float
    quiet_for: float
    """How long nothing was written to it, or it did not exist."""


class Bucket:
    """One bucket over one connection.

    Every call ends within ``within`` seconds. It raises ``Unreachable`` when no answer came (a write may yet
    have been stored), ``AccessRefused`` at once when this user may not do it, and ``ApiRefused`` when the
    server refuses for another reason.
    """

    def __init__(self, bus: Bus, name: str, *, within: float = WITHIN) -> None:
        self.bus = bus
        self.name = name
        self.within = within
        self._stream = stream_of(name)
        self._prefix = subject_of(name, "")

    async def read(self, key: str) -> Entry | None:
        """What stands under the key, a delete mark included; None if nothing does, or no more."""
        subject = f"$JS.API.DIRECT.GET.{self._stream}"
        request = orjson.dumps({"last_by_subj": self._subject(key)})
        reply = await self.bus.request(subject, request, within=self.within)
        headers = reply.headers or {}
        status = headers.get("Status")
        if status == NOT_FOUND:
            return None
        if status is not None:
            raise ApiRefused(subject, int(status), 0, headers.get("Description", ""))
        return Entry(key, reply.data, int(headers["Nats-Sequence"]), _OPERATION in headers)

    async def read_all(self) -> list[Entry]:
        """What stands under every key, delete marks included, oldest first."""
        try:
            async with asyncio.timeout(self.within):
                found = await fetch_last(self.bus, self._stream, self._subject_of_all())
        except TimeoutError as error:
            raise Unreachable(f"bucket {self.name}: not read within {self.within} s") from error
        return [self._entry(item) for item in found]

    async def read_newest(self, most: int, *, key: str = ">") -> tuple[list[Entry], int]:
        """What stands under the keys that were written last, delete marks included, oldest first.

        At most so many; with it, how many more there are. For a bucket that strangers may fill.
        """
        pattern = self._prefix + key
        try:
            async with asyncio.timeout(self.within):
                found = await fetch_newest(self.bus, self._stream, pattern, most)
                first: list[Delivered] = []
                ask = {"seq": 1, "next_by_subj": pattern, "batch": 1}
                end = await direct_get(self.bus, self._stream, ask, first.append)
        except TimeoutError as error:
            raise Unreachable(f"bucket {self.name}: not read within {self.within} s") from error
        return [self._entry(item) for item in found], max(0, len(first) + end.pending - len(found))

    async def create(self, key: str, value: bytes) -> int:
        """Writes where nothing stands, or only a delete mark; returns the revision.

        Raises:
            Conflict: a value stands there, or somebody else was quicker.
        """
        last = 0
        for _ in range(_CREATE_TRIES):
            try:
                return await self.update(key, value, last=last)
            except Conflict:
                entry = await self.read(key)
                if entry is not None and not entry.deleted:
                    raise
                found = entry.revision if entry is not None else 0
                if found == last and last:  # a mark does not change: somebody wrote and the read is behind
                    raise
                last = found
        raise Conflict(f"{self.name} {key}: it keeps changing")

    async def update(self, key: str, value: bytes, *, last: int) -> int:
        """Writes over exactly this revision (0: over nothing); returns the new one.

        Raises:
            Conflict: another revision stands there, or none.
        """
        return await self._write(key, value, {_EXPECTED_LAST: str(last)})

    async def put(self, key: str, value: bytes) -> int:
        """Writes over whatever stands there; returns the revision."""
        return await self._write(key, value, {})

    async def delete(self, key: str, *, last: int | None = None, value: bytes = b"") -> int:
        """Puts a delete mark over whatever stands there, or over exactly this revision; returns its own.

        ``value`` stays with the mark, for whoever wants to know why.

        Raises:
            Conflict: another revision stands there, or none.
        """
        headers = {_OPERATION: "DEL"}
        if last is not None:
            headers[_EXPECTED_LAST] = str(last)
        return await self._write(key, value, headers)

    async def on_change(self, callback: Callable[[Entry], None], *, key: str = ">") -> Callable[[], None]:
        """Calls back with what is stored under the key (default: any) from now on; returns what ends it.

        Best effort: nothing is told of what happens while the connection is down, nor ever of expiry. The
        callback must be short.
        """

        def on_message(_subject: bytes, body: bytes, headers: bytes | None) -> None:
            item = delivered(body, headers)
            if item is not None and item.stream == self._stream:
                callback(self._entry(item))

        try:
            subscription = await self.bus.nc.listen(changes_of(self.name, key), on_message)
        except nats.errors.Error as error:
            raise BusClosed(f"bucket {self.name}: {type(error).__name__}") from error
        ending: list[asyncio.Task[None]] = []

        def cancel() -> None:
            if not ending:
                ending.append(asyncio.create_task(self.bus.nc.unlisten(subscription), name="bus-unlisten"))

        return cancel

    async def ttl(self) -> float:
        """How many seconds a value lives; 0 is for ever."""
        return (await self.state()).ttl

    async def state(self) -> BucketState:
        """How long its values live, and how long nothing was written, by the server's clock alone."""
        info = await self.bus.request_json(f"$JS.API.STREAM.INFO.{self._stream}", within=self.within)
        since = max(_moment(info["created"]), _moment(info["state"]["last_ts"]))
        quiet_for = (_moment(info["ts"]) - since).total_seconds()
        return BucketState(info["config"].get("max_age", 0) / 1e9, max(0.0, quiet_for))

    async def _write(self, key: str, value: bytes, headers: dict[str, str]) -> int:
        subject = self._subject(key)
        reply = await self.bus.request(subject, value, headers=headers or None, within=self.within)
        answer: dict[str, Any] = orjson.loads(reply.data)
        refusal = answer.get("error")
        if refusal is None:
            return int(answer["seq"])
        code, err_code, words = (
            refusal.get("code", 0),
            refusal.get("err_code", 0),
            refusal.get("description", ""),
        )
        if err_code in _WRONG_LAST:
            raise Conflict(f"{self.name} {key}: {words}")
        raise ApiRefused(subject, code, err_code, words)

    def _subject(self, key: str) -> str:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key")
        return self._prefix + key

    def _subject_of_all(self) -> str:
        return f"{self._prefix}>"

    def _entry(self, item: Delivered) -> Entry:
        key = item.subject.removeprefix(self._prefix)
        return Entry(key, item.body, item.seq, _OPERATION in item.headers)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
