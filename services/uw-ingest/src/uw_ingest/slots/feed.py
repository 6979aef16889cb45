"""Keeps one upstream socket open for ever and lets :mod:`uw_ingest.upstream.protocol` do the talking.

The loop has four stations: connect, talk until the socket is gone, wait, again. It ends only by cancellation,
and opens nothing unless it is allowed to at that very moment.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from random import Random
from typing import Any

import structlog

from baleen_runtime.clock import Clock
from uw_ingest.errors import ConnectFailed, NotEntitled
from uw_ingest.refusals import Refusal
from uw_ingest.tally import Tally
from uw_ingest.upstream.connect import Ears, Line, open_line
from uw_ingest.upstream.decode import Answer, Complaint
from uw_ingest.upstream.protocol import (
    REFUSED_IN_SILENCE,
    Closed,
    Complained,
    Event,
    FeedProtocol,
    FramesReceived,
    Hangup,
    JoinAnswered,
    Joined,
    Opened,
    SendText,
    TimePassed,
    Wanted,
)
from uw_ingest.upstream.reconnect import Backoff

log: Any = structlog.get_logger("uw_ingest.slots.feed")

MAX_WORDS = 200  # characters of upstream's that are quoted
_TICK = 1.0  # seconds; the longest the protocol goes without hearing that time passed
ONE_TOO_MANY = "closed at once, as one socket too many"
REFUSED_FOR_GOOD = 3  # times in a row, some fifteen seconds
_AT_ONCE = 5.0  # seconds; a clean close so early, before anything was said, refuses the socket
_COOL_FIRST, _COOL_MOST = 5.0, 900.0  # seconds a refused socket rests; doubles
_HEALTHY = 60.0  # seconds after which a refusal is forgotten


class Connection(StrEnum):
    """Where the socket stands."""

    DISABLED = "disabled"  # no upstream is configured
    CONNECTING = "connecting"
    CONNECTED = "connected"
    WAITING = "waiting"  # between two attempts
    COOLING = "cooling"  # upstream said that it is one socket too many
    NOT_ENTITLED = "not_entitled"


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """What the socket loop needs to know. Times in seconds."""

    url: str
    entitlement_recheck: float = 900.0
    backoff: Backoff = field(default_factory=Backoff)

    def __repr__(self) -> str:
        """Say nothing: the address holds the token."""
        return "FeedSettings(…)"


class Feed:
    """The upstream socket with everything needed to keep it."""

    def __init__(
        self,
        settings: FeedSettings,
        protocol: FeedProtocol,
        *,
        clock: Clock,
        lively: Callable[[], bool],
        on_text: Callable[[bytes], None],
        on_refused: Callable[[Refusal], None],
        on_down: Callable[[datetime], None] = lambda _since: None,
        on_joined: Callable[[str], None] = lambda _channel: None,
        unheard: Callable[[], bool] = bool,
        redact: Callable[[str], str] = str,
        tally: Tally | None = None,
        allowed: Callable[[], bool] = lambda: True,
        siblings_flow: Callable[[], bool] = bool,
        on_change: Callable[[], None] = lambda: None,
        cool: Callable[[float], None] = lambda _seconds: None,
        random: Random | None = None,
    ) -> None:
        """Take ears for frames and for what becomes of the socket; nothing is opened before :meth:`run`.

        ``unheard`` tells whether frames came that still wait to be read: then the socket is not mute.
        ``allowed`` is asked right before a socket is opened; ``siblings_flow`` tells whether data comes on
        other sockets of the same token; ``cool`` is told for how long a refused socket is not to be tried, by
        nobody and whoever orders it; ``on_change`` hears that others should learn of this socket anew.
        """
        self._settings = settings
        self.protocol = protocol
        self._clock = clock
        self._lively = lively
        self._ears = Ears(on_text, on_refused, self._on_closed)
        self._on_down, self._on_joined, self._redact = on_down, on_joined, redact
        self._unheard = unheard
        self._allowed, self._siblings_flow = allowed, siblings_flow
        self._on_change, self._cool = on_change, cool
        self._refusals = 0
        self._tally = tally or Tally()
        self._random = random or Random()  # noqa: S311 - jitter, not secrecy
        self._line: Line | None = None
        self._gone = asyncio.Event()
        self._hurry = asyncio.Event()
        self._heard_at: datetime | None = None
        self._opened_at = 0.0
        self.connection = Connection.CONNECTING
        self.reason = "not tried yet"
        self.opened_times = 0

    async def run(self) -> None:
        """Connect, talk, wait, for ever; however it ends, the socket is closed."""
        backoff = replace(self._settings.backoff)
        try:
            while True:
                healthy_for, rest = await self._once()
                if not self._hurry.is_set():
                    delay = backoff.after(healthy_for=healthy_for, spread=self._random.uniform(-1, 1))
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(max(delay, rest)):
                            await self._hurry.wait()
                self._hurry.clear()
        finally:
            if self._line is not None:
                self._line.hang_up("leaving")

    def want(self, channels: Sequence[str]) -> None:
        """Join these channels from now on, and leave the others."""
        self._tell(Wanted(tuple(channels), self._clock.monotonic()))

    def stop(self, reason: str) -> None:
        """Close the socket now; :meth:`run` is to be cancelled with it."""
        if self._line is not None:
            self._line.hang_up(reason)

    def renew(self) -> None:
        """Close the socket, if there is one, and open the next without waiting."""
        self._hurry.set()
        if self._line is not None:
            self._line.hang_up("asked to reconnect")

    def refused(self) -> bool:
        """Tell whether upstream will not have this socket beside the others, as far as is known.

        One that is closed at once may be in the way of a dead one only, which upstream has not noticed yet.
        """
        if self.connection is not Connection.COOLING:
            return False
        return self.reason == REFUSED_IN_SILENCE or self._refusals >= REFUSED_FOR_GOOD

    def connected_for(self) -> float:
        """Return the age of the open socket in seconds, 0 while there is none."""
        return self._clock.monotonic() - self._opened_at if self.connection is Connection.CONNECTED else 0.0

    def answered(self, answer: Answer) -> None:
        """Pass on upstream's answer to a join; its words are quoted to people, hence without the token."""
        why = self._quote(answer.why)
        self._tell(JoinAnswered(answer.channel, answer.accepted, self._clock.monotonic(), why))
        self._on_change()
        if answer.accepted:
            self._on_joined(answer.channel)
        else:
            log.warning("upstream refused a channel", channel=answer.channel, why=why)

    def complained(self, complaint: Complaint) -> None:
        """Pass on an error that names no channel."""
        words = self._quote(complaint.text)
        log.warning("upstream complained", words=words)
        self._tell(Complained(words, self._clock.monotonic()))
        self._on_change()

    def heard(self, counts: Mapping[str, int]) -> None:
        """Pass on that data came, a slice at a time."""
        self._heard_at = self._clock.now()
        self._tell(FramesReceived(counts, self._clock.monotonic()))

    def _quote(self, words: str) -> str:
        """Take out the token, then cut; the other way round half a token could stay."""
        return self._redact(words)[:MAX_WORDS]

    async def _once(self) -> tuple[float, float]:
        """Live through one socket; return how long it was healthy and the least time to rest after it."""
        if not self._allowed():
            if self.connection is not Connection.COOLING:
                self.connection, self.reason = Connection.WAITING, "the slot is not ours"
            return self._settings.backoff.healthy_after, 0.0
        self.connection, self.reason = Connection.CONNECTING, ""
        self._gone.clear()
        try:
            self._line = await open_line(self._settings.url, self._ears)
        except NotEntitled as refusal:
            self._failed(Connection.NOT_ENTITLED, str(refusal))
            return 0.0, self._settings.entitlement_recheck
        except ConnectFailed as failure:
            self._failed(Connection.WAITING, str(failure))
            return 0.0, 0.0
        opened = self._opened_at = self._clock.monotonic()
        self._heard_at = self._clock.now()
        self.connection = Connection.CONNECTED
        self.opened_times += 1
        self._tally.opened += 1
        log.info("upstream connected", channels=len(self.protocol.channels))
        self._tell(Opened(opened))
        self._on_change()
        await self._talk()
        killer = await self._line.autopsy()
        if killer is not None:
            self.reason = f"a bad frame ({killer})"
            self._ears.on_refused(killer)
        self._tell(Closed(self._clock.monotonic()))
        self._line = None
        lasted = self._clock.monotonic() - opened
        if self.reason.startswith("closed by upstream (1000") and lasted < _AT_ONCE and not self._joined():
            self.reason = ONE_TOO_MANY
        refused = self.reason in (ONE_TOO_MANY, REFUSED_IN_SILENCE)
        self._refusals = self._refusals + 1 if refused else 0 if lasted > _HEALTHY else self._refusals
        self._failed(Connection.COOLING if refused else Connection.WAITING, self.reason or "lost")
        self._on_down(self._heard_at)
        rest = min(_COOL_FIRST * 2 ** min(self._refusals - 1, 8), _COOL_MOST) if refused else 0.0
        if refused:
            self._cool(rest)
        return (0.0 if self.reason in ("mute", "unanswered") else lasted), rest

    def _joined(self) -> bool:
        return any(report.joined is Joined.ACCEPTED for report in self.protocol.report().values())

    async def _talk(self) -> None:
        while not self._gone.is_set():
            wake_at = self.protocol.wake_at()
            pause = _TICK if wake_at is None else min(max(wake_at - self._clock.monotonic(), 0.0), _TICK)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._gone.wait()
            if self._unheard():
                self.heard({})
            self._tell(TimePassed(self._clock.monotonic(), self._lively(), self._siblings_flow()))

    def _tell(self, event: Event) -> None:
        for command in self.protocol.handle(event):
            match command:
                case SendText():
                    if self._line is not None:
                        self._line.send(command.text)
                case Hangup():
                    if self._line is not None:
                        self._line.hang_up(command.reason)

    def _on_closed(self, why: str) -> None:
        self.reason = why
        self._gone.set()

    def _failed(self, connection: Connection, reason: str) -> None:
        self.connection, self.reason = connection, reason
        kind = reason.partition(" (")[0].replace(" ", "_")
        self._tally.failures[kind] += 1
        log.warning("upstream is not connected", reason=reason)
        self._on_change()
