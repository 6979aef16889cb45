"""A connection with a thread and a loop of its own, for callers that have neither or do not want to share."""

import asyncio
import concurrent.futures
import contextlib
import threading
import time
from collections.abc import Coroutine, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from baleen_bus.acks import Stored
from baleen_bus.connection import Bus, open_bus
from baleen_bus.errors import BusClosed, BusError, BusStopped, Unreachable
from baleen_bus.publisher import Publisher
from baleen_contracts.message import Message

LEAVE_WITHIN: Final = 2.0
DEFAULT_URL: Final = "nats://127.0.0.1:4222"
_ASK_WITHIN: Final = 1.0
_ROUNDS, _ROUND = 3, 0.5
"""How often and long (seconds) what is left is asked to end: the client may swallow a cancellation."""
_CLOSED: Final = "the default connection is closed"

_T = TypeVar("_T")


class Speaker:
    """Connects at once, and stays connected until closed; any thread may have it do things.

    Raises:
        RuntimeError: no thread starts any more, as the interpreter is leaving.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._url = environ.get("BALEEN_NATS_URL") or DEFAULT_URL
        self._user = environ.get("BALEEN_NATS_USER") or _user_in(self._url)
        self._password = environ.get("BALEEN_NATS_PASSWORD")
        self.source = self._user or "baleen-bus"
        self.address = _without_secrets(self._url)
        self.began_at = time.monotonic()
        self.tried = asyncio.Event()
        """The first attempt to connect is over, whatever came of it."""
        self.failed_at: float | None = None
        """When it was shut out for good, by the monotonic clock; a new one may get in."""
        self._why: str | None = None
        self._loop = asyncio.new_event_loop()
        self._bus: asyncio.Future[Bus] = self._loop.create_future()
        self._publishers: dict[str, Publisher] = {}
        self._entering = asyncio.Lock()
        self._opened = contextlib.AsyncExitStack()
        self._closed = asyncio.Event()
        self._leaving = False
        self._serving: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="baleen-bus-speaker", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
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
    def answers(self) -> bool:
        """Whether the bus is connected, and was not found silent since it last answered."""
        return self.bus is not None and (self._asking is None or self._asking.done())

    @property
    def trouble(self) -> str:
        """Why nothing can be said now; holds no secret."""
        if self.bus is not None:
            return f"the bus at {self.address} is connected, and does not answer"
        return self._why or f"not connected to the bus at {self.address}"

    @property
    def is_current_thread(self) -> bool:
        """Whether the caller runs on the speaker's thread, which must not wait for itself."""
        return threading.current_thread() is self._thread

    def submit(
        self, message: Message, source: str | None, within: float
    ) -> concurrent.futures.Future[Stored]:
        """Publishes on the speaker's loop; the future ends within ``within`` seconds.

        Raises:
            BusClosed: the speaker is closed.
        """
        return self.run(self._publish(message, source or self.source, within))

    def run(self, work: Coroutine[Any, Any, _T]) -> concurrent.futures.Future[_T]:
        """Does something on the speaker's loop. What is not done when the speaker closes ends in BusClosed.

        Raises:
            BusClosed: the speaker is closed.
        """
        told = self._told(work)
        try:
            return asyncio.run_coroutine_threadsafe(told, self._loop)
        except RuntimeError as error:  # the loop is closed
            told.close()
            work.close()
            raise BusClosed(_CLOSED) from error

    def doubt(self, bus: Bus) -> None:
        """The bus was silent where it should have spoken: asks it until it answers, or is disconnected."""
        if self.answers:
            self._asking = self._loop.create_task(self._ask(bus), name="speaker-ask")

    def close(self, within: float) -> None:
        """Drains, disconnects and ends the thread."""
        with contextlib.suppress(concurrent.futures.TimeoutError, BusClosed):
            self.run(self._drain(within)).result(within + 1.0)
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._stop)
        self._thread.join(within + 1.0)

    def _run(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        self._serving = loop.create_task(self._serve(), name="speaker-serve")
        with contextlib.closing(loop):
            with contextlib.suppress(asyncio.CancelledError):
                loop.run_until_complete(self._serving)
            self._leaving = True
            for _ in range(_ROUNDS):
                if left := asyncio.all_tasks(loop):
                    for task in left:
                        task.cancel()
                    loop.run_until_complete(asyncio.wait(left, timeout=_ROUND))

    def _stop(self) -> None:
        if self._serving is not None:
            self._serving.cancel()

    async def _serve(self) -> None:
        opening = open_bus(
            url=self._url,
            user=self._user,
            password=self._password,
            name=f"{self.source}/one-call",
            on_closed=self._on_closed,
            on_failed=lambda _why: self.tried.set(),
        )
        try:
            bus = await self._opened.enter_async_context(opening)
            self._bus.set_result(bus)
            self.tried.set()
            await self._closed.wait()  # or until close() cancels us
        except Exception as error:  # noqa: BLE001 - callers hear it, whatever it is; an address may be nonsense
            self._shut_out(error)
            await asyncio.sleep(LEAVE_WITHIN)  # callers already on their way still hear why
        finally:
            await self._opened.aclose()

    def _shut_out(self, error: Exception) -> None:
        if not isinstance(error, BusError):
            error = BusStopped(f"no connection can be made to BALEEN_NATS_URL: {type(error).__name__}")
        self._why = str(error)
        self.failed_at = time.monotonic()
        self._bus.set_exception(error)
        self._bus.exception()  # seen, should nobody ask
        self.tried.set()

    def _on_closed(self) -> None:
        self.failed_at = time.monotonic()
        self._closed.set()

    async def _told(self, work: Coroutine[Any, Any, _T]) -> _T:
        try:
            return await work
        except asyncio.CancelledError:
            if (
                self._leaving
            ):  # nobody asked for it: the caller must not take it for a cancellation of its own
                raise BusClosed(_CLOSED) from None
            raise

    async def _publish(self, message: Message, source: str, within: float) -> Stored:
        try:
            async with asyncio.timeout(within):
                bus = await asyncio.shield(self._bus)
                async with self._entering:
                    publisher = self._publishers.get(source)
                    if publisher is None:
                        publisher = await self._opened.enter_async_context(Publisher(bus, source=source))
                        self._publishers[source] = publisher
                return await publisher.publish(message)
        except TimeoutError as error:
            raise Unreachable(f"not stored within {within} s by the bus at {self.address}") from error

    async def _ask(self, bus: Bus) -> None:
        while bus.connected:
            with contextlib.suppress(BusError):
                await bus.request_json("$JS.API.INFO", within=_ASK_WITHIN)
                return

    async def _drain(self, within: float) -> None:
        for publisher in self._publishers.values():
            await publisher.drain(within)


def _user_in(url: str) -> str | None:
    """Whose name the address holds: a user hears answers under its own name alone."""
    with contextlib.suppress(ValueError):
        return urlsplit(url).username
    return None


def _without_secrets(url: str) -> str:
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}:{parts.port}"
    return "the address in BALEEN_NATS_URL"
