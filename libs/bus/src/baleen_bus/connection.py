"""One connection to the bus, with the profile every service uses."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

import nats.errors
import orjson
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from baleen_bus.errors import AccessRefused, ApiRefused, BusError, ServerTooOld, Unreachable
from baleen_bus.profile import JETSTREAM_WITHIN, MIN_API_LEVEL, PROFILE, Away, BusStats
from baleen_bus.wire import WireClient

log = logging.getLogger("baleen_bus")

Callback = Callable[[], object]
Told = Callable[[str], object]
_T = TypeVar("_T")


class Bus:
    """A connection that reconnects for ever and tells of it by callbacks, in order of registration."""

    def __init__(self, name: str, on_closed: Callback | None = None, on_failed: Told | None = None) -> None:
        self.stats = BusStats()
        self._away = Away()
        self.nc = WireClient(self._handler_failed)
        self.name = name
        self._on_closed = on_closed
        self._on_failed = on_failed
        self._leaving = False
        self._refused: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._reconnected: list[Callback] = []
        self._disconnected: list[Callback] = []
        self._denied: list[Callable[[str], None]] = []

    @property
    def connected(self) -> bool:
        """Whether the server is connected now, as far as the client knows."""
        return self.nc.is_connected

    @property
    def js(self) -> JetStreamContext:
        """The client's JetStream context, for management."""
        return self.nc.jetstream(timeout=5)

    def on_reconnected(self, callback: Callback) -> Callback:
        """Calls back after every reconnect, subscriptions already restored. Returns what cancels this."""
        return _registered(self._reconnected, callback)

    def on_disconnected(self, callback: Callback) -> Callback:
        """Calls back when the connection is lost. Returns what cancels this."""
        return _registered(self._disconnected, callback)

    def on_denied(self, callback: Callable[[str], None]) -> Callback:
        """Calls back with the server's (lower-cased) words when a permission is missing.

        Returns what cancels this.
        """
        return _registered(self._denied, callback)

    async def request_json(
        self, subject: str, body: Any = None, *, headers: dict[str, str] | None = None, within: float = 2.0
    ) -> dict[str, Any]:
        """Asks a JSON service, such as the JetStream API.

        Raises:
            ApiRefused: the answer holds an ``error``.
            Unreachable: no answer in time, or nobody listens there.
            AccessRefused: this user may not ask there.
        """
        payload = b"" if body is None else orjson.dumps(body)
        reply = await self.request(subject, payload, headers=headers, within=within)
        answer: dict[str, Any] = orjson.loads(reply.data)
        if "error" in answer:
            refusal = answer["error"]
            raise ApiRefused(
                subject,
                refusal.get("code", 0),
                refusal.get("err_code", 0),
                refusal.get("description", ""),
            )
        return answer

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        *,
        headers: dict[str, str] | None = None,
        within: float = 2.0,
    ) -> Msg:
        """Asks once and returns the answer as it came.

        Raises:
            Unreachable: no answer in time, or nobody listens there; the question may have been heard.
            AccessRefused: this user may not ask there.
        """
        if not self.connected:
            raise Unreachable(f"{subject}: not connected")
        failure: list[BusError] = []
        asking = asyncio.create_task(
            self.nc.request(subject, payload, timeout=within, headers=headers), name="bus-request"
        )
        asking.add_done_callback(_look_at)

        def fail(error: BusError) -> None:
            failure.append(error)
            asking.cancel()

        # The client awaits by wait_for, which before Python 3.12 loses a cancellation that meets the answer;
        # a task of its own keeps ours from being lost with it.
        with self.watching(subject, fail):
            try:
                await asyncio.wait((asking,))
            finally:
                asking.cancel()
        if failure:
            raise failure[0]
        try:
            return asking.result()
        except (nats.errors.Error, OSError) as error:
            raise Unreachable(f"{subject}: no answer ({type(error).__name__})") from error

    def broken(self, error: BaseException) -> None:
        """A part that must not end has ended: the owner hears of it as of a connection closed for good."""
        log.critical("the bus is broken", exc_info=error)
        if self._on_closed is not None:
            self._on_closed()

    @contextlib.contextmanager
    def watching(self, subject: str, fail: Callable[[BusError], None]) -> Iterator[None]:
        """While a question is out on ``subject``: fails it when no answer can come any more."""

        def on_denied(words: str) -> None:
            if f'"{subject.lower()}"' in words:
                fail(AccessRefused(f"this user may not ask {subject}"))

        forget_lost = self.on_disconnected(lambda: fail(Unreachable(f"{subject}: the connection was lost")))
        forget_denied = self.on_denied(on_denied)
        try:
            yield
        finally:
            forget_lost()
            forget_denied()

    async def _connect(self, url: str, user: str | None, password: str | None) -> None:
        connecting = asyncio.create_task(
            self.nc.connect(
                url,
                user=user,
                password=password,
                name=self.name,
                inbox_prefix=f"_INBOX_{user}" if user else "_INBOX",
                error_cb=self._error_cb,
                closed_cb=self._closed_cb,
                disconnected_cb=self._disconnected_cb,
                reconnected_cb=self._reconnected_cb,
                **PROFILE,
            ),
            name="bus-connect",
        )
        try:
            await asyncio.wait((connecting, self._refused), return_when=asyncio.FIRST_COMPLETED)
            if self._refused.done():
                who = f"user {user!r}" + ("" if password else " without a password")
                raise AccessRefused(f"the NATS server refused {who}: {self._refused.result()}")
            await connecting
        finally:
            if not connecting.done():
                connecting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await connecting

    async def _check_level(self) -> None:
        deadline = asyncio.get_running_loop().time() + JETSTREAM_WITHIN
        while True:
            try:
                info = await self.request_json("$JS.API.INFO")
                break
            except (Unreachable, ApiRefused) as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise Unreachable(
                        "the NATS server answers, but JetStream does not; is it enabled?"
                    ) from error
                await asyncio.sleep(0.2)
        level = info.get("api", {}).get("level", 0)
        if level < MIN_API_LEVEL:
            raise ServerTooOld(
                f"JetStream API level {level} is below {MIN_API_LEVEL}: nats-server 2.11 or newer is needed"
            )

    async def _close(self) -> None:
        self._leaving = True
        self._refused.cancel()
        try:
            async with asyncio.timeout(5):
                await self.nc.close()
        except (nats.errors.Error, OSError, TimeoutError) as error:
            log.debug(
                "closing the bus: %s", type(error).__name__
            )  # a dead link makes close() raise; we are leaving

    def supervise(self, task: asyncio.Task[None]) -> None:
        """Reports as broken when this task ends by an error."""
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.broken(error)

    async def _error_cb(self, error: Exception) -> None:
        """Counts and nothing else: an exception here would kill the client's read loop."""
        try:
            kind = type(error).__name__
            self.stats.errors[kind] = self.stats.errors.get(kind, 0) + 1
            words = str(error).lower()
            if "permissions violation" in words:
                self.stats.denials += 1
                log.error("denied by the bus: %s", words)
                for callback in tuple(self._denied):
                    callback(words)
            elif self._refused.done():
                return
            elif "authorization violation" in words or "authentication" in words:
                self._refused.set_result(words)
            elif not self.connected:
                self._tell_away(f"NATS (BALEEN_NATS_URL) cannot be reached: {words or kind}")
        except Exception:
            log.exception("counting a bus error failed")

    def _tell_away(self, why: str) -> None:
        if self._away.is_news(why, asyncio.get_running_loop().time()):
            log.warning("%s; trying again", why)
        if self._on_failed is not None:
            self._on_failed(why)

    def _handler_failed(self, error: Exception) -> None:
        self.stats.handler_errors += 1
        log.error("a bus handler failed", exc_info=error)

    async def _closed_cb(self) -> None:
        if not self._leaving:
            log.error("the bus connection closed for good")
            if self._on_closed is not None:
                self._on_closed()

    async def _disconnected_cb(self) -> None:
        self.nc.start_clean()
        if self._leaving:
            return
        self.stats.disconnects += 1
        log.warning("bus disconnected")
        self._tell(self._disconnected)

    async def _reconnected_cb(self) -> None:
        self.stats.reconnects += 1
        log.info("bus reconnected")
        self._tell(self._reconnected)

    def _tell(self, callbacks: list[Callback]) -> None:
        for callback in tuple(callbacks):
            try:
                callback()
            except Exception as error:  # noqa: BLE001 - one listener must not cost the others the news
                self._handler_failed(error)


@contextlib.asynccontextmanager
async def open_bus(
    *,
    url: str,
    user: str | None = None,
    password: str | None = None,
    name: str,
    connect_within: float | None = None,
    on_closed: Callback | None = None,
    on_failed: Told | None = None,
) -> AsyncIterator[Bus]:
    """Connects, and stays connected until the block is left.

    Without ``connect_within`` (seconds) it waits for the server for ever, so that services may start in any
    order. ``on_closed`` is called when the client gave up for good; the service should then end.
    ``on_failed`` is told why after each attempt to connect that failed; another one follows by itself.

    Raises:
        Unreachable: not connected within ``connect_within``, or JetStream is not enabled.
        AccessRefused: wrong user or password.
        ServerTooOld: the JetStream API level is below 1.
    """
    bus = Bus(name, on_closed, on_failed)
    try:
        try:
            async with asyncio.timeout(connect_within):
                await bus._connect(url, user, password)  # noqa: SLF001 - the two halves of one opening
                await bus._check_level()  # noqa: SLF001
        except TimeoutError as error:
            raise Unreachable(f"no NATS server answered within {connect_within} s") from error
        yield bus
    finally:
        await bus._close()  # noqa: SLF001


def _registered(callbacks: list[_T], callback: _T) -> Callback:
    callbacks.append(callback)

    def cancel() -> None:
        with contextlib.suppress(ValueError):
            callbacks.remove(callback)

    return cancel


async def end_task(task: asyncio.Task[None]) -> None:
    """Cancels until it works: the client swallows a cancellation that meets it while it flushes."""
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=0.1)


def _look_at(asking: asyncio.Task[Msg]) -> None:
    """Takes note of a question's end, so that one nobody waits for any more ends without a complaint."""
    if not asking.cancelled():
        asking.exception()
