"""Says one message with one call, from async code or from any thread, over a connection that makes itself.

The connection lives on a thread of its own and is shared by every caller of the process. It is told where
to go by ``BALEEN_NATS_URL``, ``BALEEN_NATS_USER`` and ``BALEEN_NATS_PASSWORD``.
"""

import asyncio
import atexit
import concurrent.futures
import contextlib
import os
import threading
from collections.abc import Coroutine, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from baleen_bus.acks import Stored
from baleen_bus.connection import Bus, open_bus
from baleen_bus.errors import BusClosed, BusError, Unreachable
from baleen_bus.publisher import Publisher
from baleen_contracts.message import Message

WITHIN: Final = 5.0
LEAVE_WITHIN: Final = 2.0
DEFAULT_URL: Final = "nats://127.0.0.1:4222"

_T = TypeVar("_T")


async def publish(message: Message, *, source: str | None = None, within: float = WITHIN) -> Stored:
    """Publishes one contract message and waits, at most ``within`` seconds, until it is stored.

    ``source`` becomes ``ce-source``; by default the NATS user's name, else ``baleen-bus``. Offering the
    same message again is harmless: its identity is known, and the stream keeps it once.

    Raises:
        Unreachable: not known to be stored in time; it is still sent should the bus come back meanwhile.
        AccessRefused: wrong user or password.
        OutboxFull, PublishRefused: as ``Publisher.offer``.
    """
    return await asyncio.wrap_future(_default().submit(message, source, within))


def publish_sync(message: Message, *, source: str | None = None, within: float = WITHIN) -> Stored:
    """The same for code without an event loop; any number of threads may call it at once."""
    return _default().submit(message, source, within).result(within + 1.0)


def close_default(within: float = LEAVE_WITHIN) -> None:
    """Sends what waits, for at most ``within`` seconds, and disconnects; the next call connects anew."""
    with _lock:
        speaker = _Speakers.default
        _Speakers.default = None
    if speaker is not None:
        speaker.close(within)


class Speaker:
    """A connection with its own thread and loop, and a publisher for every source that speaks over it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._url = environ.get("BALEEN_NATS_URL", DEFAULT_URL)
        self._user = environ.get("BALEEN_NATS_USER")
        self._password = environ.get("BALEEN_NATS_PASSWORD")
        self._source = self._user or "baleen-bus"
        self._loop = asyncio.new_event_loop()
        self._bus: asyncio.Future[Bus] = self._loop.create_future()
        self._publishers: dict[str, Publisher] = {}
        self._entering = asyncio.Lock()
        self._closing = contextlib.AsyncExitStack()
        self.failed = False
        """It could not get in and never will; a new one may."""
        self._serving = self._loop.create_task(self._serve(), name="speaker-serve")
        self._thread = threading.Thread(target=self._run, name="baleen-bus-speaker", daemon=True)
        self._thread.start()

    def submit(
        self, message: Message, source: str | None, within: float
    ) -> concurrent.futures.Future[Stored]:
        """Publishes on the speaker's loop; the future ends within ``within`` seconds."""
        return self._call(self._publish(message, source or self._source, within))

    def close(self, within: float) -> None:
        """Drains, disconnects and ends the thread."""
        with contextlib.suppress(concurrent.futures.TimeoutError, BusClosed):
            self._call(self._drain(within)).result(within + 1.0)
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._serving.cancel)
        self._thread.join(within + 1.0)

    def _call(self, work: Coroutine[Any, Any, _T]) -> concurrent.futures.Future[_T]:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError as error:  # the loop is closed
            work.close()
            raise BusClosed("the default connection is closed") from error

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        with contextlib.suppress(asyncio.CancelledError), contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serving)

    async def _serve(self) -> None:
        try:
            bus = await self._closing.enter_async_context(
                open_bus(
                    url=self._url, user=self._user, password=self._password, name=f"{self._source}/one-call"
                )
            )
            self._bus.set_result(bus)
            await asyncio.Event().wait()  # until close() cancels us
        except BusError as error:
            self.failed = True
            self._bus.set_exception(error)
            await asyncio.sleep(LEAVE_WITHIN)  # callers already on their way still hear why
        finally:
            await self._closing.aclose()

    async def _publish(self, message: Message, source: str, within: float) -> Stored:
        try:
            async with asyncio.timeout(within):
                bus = await asyncio.shield(self._bus)
                async with self._entering:
                    publisher = self._publishers.get(source)
                    if publisher is None:
                        publisher = await self._closing.enter_async_context(Publisher(bus, source=source))
                        self._publishers[source] = publisher
                return await publisher.publish(message)
        except TimeoutError as error:
            raise Unreachable(
                f"not stored within {within} s by the bus at {_without_secrets(self._url)}"
            ) from error

    async def _drain(self, within: float) -> None:
        for publisher in self._publishers.values():
            await publisher.drain(within)


class _Speakers:
    default: Speaker | None = None


_lock = threading.Lock()


def _default() -> Speaker:
    with _lock:
        speaker = _Speakers.default
        if speaker is None or speaker.failed:
            speaker = _Speakers.default = Speaker(os.environ)
        return speaker


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port}"


atexit.register(close_default)
