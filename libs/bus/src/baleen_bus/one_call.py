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
import time
from collections.abc import Coroutine, Mapping
from typing import Any, ClassVar, Final, TypeVar
from urllib.parse import urlsplit

from baleen_bus.acks import Stored
from baleen_bus.connection import Bus, open_bus
from baleen_bus.errors import BusClosed, BusError, BusStopped, Unreachable
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
    return await asyncio.wrap_future(default_speaker().submit(message, source, within))


def publish_sync(message: Message, *, source: str | None = None, within: float = WITHIN) -> Stored:
    """The same for code without an event loop; any number of threads may call it at once."""
    return default_speaker().submit(message, source, within).result(within + 1.0)


def close_default(within: float = LEAVE_WITHIN) -> None:
    """Sends what waits, for at most ``within`` seconds, and disconnects; the next call connects anew."""
    with _Speakers.lock:
        speaker = _Speakers.default
        _Speakers.default = None
    if speaker is not None:
        speaker.close(within)


class Speaker:
    """A connection with its own thread and loop, and a publisher for every source that speaks over it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._url = environ.get("BALEEN_NATS_URL", DEFAULT_URL)
        self._user = environ.get("BALEEN_NATS_USER") or _user_in(self._url)
        self._password = environ.get("BALEEN_NATS_PASSWORD")
        self.source = self._user or "baleen-bus"
        self._loop = asyncio.new_event_loop()
        self._bus: asyncio.Future[Bus] = self._loop.create_future()
        self._publishers: dict[str, Publisher] = {}
        self._entering = asyncio.Lock()
        self._closing = contextlib.AsyncExitStack()
        self._ended = asyncio.Event()
        self.began_at = time.monotonic()
        self.tried = asyncio.Event()
        """The first attempt to connect is over, whatever came of it."""
        self.failed_at: float | None = None
        """When it was shut out for good, by the monotonic clock; a new one may get in."""
        self._serving: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="baleen-bus-speaker", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no thread starts any more: the interpreter is leaving
            self._loop.close()
            raise

    @property
    def bus(self) -> Bus | None:
        """The bus, while it is connected; to be used on the speaker's thread only."""
        if self.failed_at is not None or not self._bus.done():
            return None
        bus = self._bus.result()
        return bus if bus.connected else None

    @property
    def is_current_thread(self) -> bool:
        """Whether the caller runs on the speaker's thread, which must not wait for itself."""
        return threading.current_thread() is self._thread

    def submit(
        self, message: Message, source: str | None, within: float
    ) -> concurrent.futures.Future[Stored]:
        """Publishes on the speaker's loop; the future ends within ``within`` seconds."""
        return self.run(self._publish(message, source or self.source, within))

    def close(self, within: float) -> None:
        """Drains, disconnects and ends the thread."""
        with contextlib.suppress(concurrent.futures.TimeoutError, BusClosed):
            self.run(self._drain(within)).result(within + 1.0)
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._stop)
        self._thread.join(within + 1.0)

    def run(self, work: Coroutine[Any, Any, _T]) -> concurrent.futures.Future[_T]:
        """Does something on the speaker's loop.

        Raises:
            BusClosed: the speaker is closed.
        """
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError as error:  # the loop is closed
            work.close()
            raise BusClosed("the default connection is closed") from error

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._serving = self._loop.create_task(self._serve(), name="speaker-serve")
        with contextlib.suppress(asyncio.CancelledError), contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serving)

    def _stop(self) -> None:
        if self._serving is not None:
            self._serving.cancel()

    async def _serve(self) -> None:
        try:
            bus = await self._closing.enter_async_context(
                open_bus(
                    url=self._url,
                    user=self._user,
                    password=self._password,
                    name=f"{self.source}/one-call",
                    on_closed=self._on_closed,
                    on_failed=self.tried.set,
                )
            )
            self._bus.set_result(bus)
            self.tried.set()
            await self._ended.wait()  # or until close() cancels us
        except Exception as error:  # noqa: BLE001 - whatever it is, callers hear it; an address may be nonsense
            self._shut_out(error)
            await asyncio.sleep(LEAVE_WITHIN)  # callers already on their way still hear why
        finally:
            await self._closing.aclose()

    def _shut_out(self, error: Exception) -> None:
        self.failed_at = time.monotonic()
        if not isinstance(error, BusError):
            error = BusStopped(f"no connection can be made to BALEEN_NATS_URL: {type(error).__name__}")
        self._bus.set_exception(error)
        self._bus.exception()  # seen, should nobody ask
        self.tried.set()

    def _on_closed(self) -> None:
        self.failed_at = time.monotonic()
        self._ended.set()

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
    inherited: ClassVar[list[Speaker]] = []
    lock: ClassVar[threading.Lock] = threading.Lock()


def default_speaker(*, again_after: float = 0.0) -> Speaker:
    """The process's speaker. One that was shut out is replaced ``again_after`` seconds later."""
    with _Speakers.lock:
        speaker = _Speakers.default
        if speaker is None or _is_over(speaker, again_after):
            speaker = _Speakers.default = Speaker(os.environ)
        return speaker


def _is_over(speaker: Speaker, again_after: float) -> bool:
    return speaker.failed_at is not None and time.monotonic() - speaker.failed_at >= again_after


def _begin_anew_after_fork() -> None:
    """A forked child has no thread of its parent's, and shares its sockets: it makes a speaker of its own.

    The parent's is kept, untouched: a loop that is collected closes what it watches, for the parent too.
    """
    if _Speakers.default is not None:
        _Speakers.inherited.append(_Speakers.default)
    _Speakers.default = None
    _Speakers.lock = threading.Lock()  # another thread may have held it


def _user_in(url: str) -> str | None:
    """Whose name the address holds: a user hears answers under its own name alone."""
    with contextlib.suppress(ValueError):
        return urlsplit(url).username
    return None


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port}"


atexit.register(close_default)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew_after_fork)
