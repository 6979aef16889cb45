"""A conversation in the native protocol: requests are done here, what is said is the dialect's."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

import structlog

from baleen_contracts.close_codes import Return, code_of, comes_back
from ws_gateway.bus.heard import streams_of
from ws_gateway.doors.rights import NOBODY
from ws_gateway.doors.tokens import Denied
from ws_gateway.errors import Farewell, Refusal, Resumed
from ws_gateway.hub.wishes import Wish
from ws_gateway.native.commanding import Commanding
from ws_gateway.native.dialect import Native
from ws_gateway.native.farewells import FAREWELLS
from ws_gateway.native.owed import Owed, owed, owed_after, recovered
from ws_gateway.native.requests import (
    CROWDED_FILTERS,
    MAX_FILTERS,
    Auth,
    Command,
    FrameId,
    Ping,
    Subscribe,
    Unsubscribe,
    Wrong,
    excess_of,
    read,
)
from ws_gateway.native.teller import NativeTeller
from ws_gateway.native.telling import Telling
from ws_gateway.native.told import Told
from ws_gateway.wire.frames import text_frame
from ws_gateway.wire.wire import Wire

if TYPE_CHECKING:
    from ws_gateway.gateway import Gateway

log = structlog.get_logger(__name__)

MAX_WAITING: Final = 100
"""Requests of a client that wait for an earlier one's past to be read."""
_LOOK_EVERY: Final = 0.5
_KNOWN_EVERY: Final = 0.1


class Conversation:
    """One native client and its topics.

    Requests are obeyed at once and in order. Only where a stream must be read for one, or for a client that
    fell behind, a task does so, and the requests after it wait.
    """

    __slots__ = (
        "_behind",
        "_commanding",
        "_drained",
        "_gateway",
        "_now_told",
        "_task",
        "_told",
        "_waiting",
        "wishes",
    )

    dialect: ClassVar[Native] = Native()
    label: ClassVar[str] = "native"

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.wishes: frozenset[Wish] = frozenset()
        self._behind: list[Owed] | None = None
        self._told = Told()
        self._now_told: Telling | None = None
        self._drained = asyncio.Event()
        self._waiting: deque[Subscribe | Unsubscribe] = deque()
        self._task: asyncio.Task[None] | None = None
        self._commanding = Commanding(gateway, self.dialect)

    @property
    def topics(self) -> frozenset[str]:
        """All that the client wants to hear."""
        return frozenset(wish.topic for wish in self.wishes)

    def heard(self, wire: Wire, text: str) -> None:
        """Obey or refuse a request."""
        request = read(text)
        if wire.identity is NOBODY and not isinstance(request, Auth | Ping | Wrong):
            self._refuse(wire, Wrong(Refusal.UNAUTHENTICATED, "say who you are first, by auth", request.id))
            return
        match request:
            case Subscribe() | Unsubscribe():
                self._obey_in_turn(wire, request)
            case Auth(token, number):
                self._identify(wire, token, number)
            case Command():
                wrong = self._commanding.obey(wire, request)
                if wrong is not None:
                    self._refuse(wire, wrong)
            case Ping(number):
                wire.say(text_frame(self.dialect.pong(number, datetime.now(UTC))))
            case Wrong() as wrong:
                self._refuse(wire, wrong)

    # What it hears.

    def _obey_in_turn(self, wire: Wire, request: Subscribe | Unsubscribe) -> None:
        if self._task is None and self._obeyed(wire, request):
            return
        if len(self._waiting) >= MAX_WAITING:
            words = "too many requests wait for the past of an earlier one"
            self._refuse(wire, Wrong(Refusal.BUSY, words, request.id))
            return
        self._waiting.append(request)
        self._begin_task(wire)

    def _obeyed(self, wire: Wire, request: Subscribe | Unsubscribe) -> bool:
        """Obey at once, or refuse, and return True; return False where a stream must be read first."""
        if isinstance(request, Unsubscribe):
            self._move(wire, _without(self.wishes, request.topics), [self._say_unsubscribed(request)])
            return True
        wrong = self._wrong_with(wire, request)
        if wrong is not None:
            self._refuse(wire, wrong)
            return True
        if self._behind is not None or not self._is_known(request):
            return False
        parts = owed(self._gateway.past, request.topics, request.since)
        return self._join(wire, request, self._telling(wire, request, parts), parts)

    def _is_known(self, request: Subscribe) -> bool:
        """Tell whether the past of all that is asked for is at hand, or where to read it.

        A gateway that has just begun would take every position for one of a stream that is no more.
        """
        return streams_of(request.topics) <= self._gateway.settled

    def _wrong_with(self, wire: Wire, request: Subscribe) -> Wrong | None:
        wishes = self._with(request)
        excess = excess_of({wish.topic for wish in wishes})
        if excess is None and len({wish.filter for wish in wishes} - {None}) > MAX_FILTERS:
            excess = f"a client has at most {MAX_FILTERS} different filters"
        if excess is not None:
            return Wrong(Refusal.TOO_MANY, excess, request.id)
        if not self._gateway.hub.lanes.has_room_for(request.filter):
            return Wrong(Refusal.BUSY, CROWDED_FILTERS, request.id)
        denied = next((topic for topic in request.topics if not wire.identity.may_subscribe(topic)), None)
        if denied is not None:
            return Wrong(Refusal.FORBIDDEN, f"the token does not allow {denied[:80]!r}", request.id)
        return None

    def _with(self, request: Subscribe) -> frozenset[Wish]:
        """Return all wishes with those of a request, which replace what was wished of the same topics."""
        return _without(self.wishes, request.topics) | _wishes_of(request)

    def _telling(self, wire: Wire, request: Subscribe, parts: Sequence[Owed]) -> Telling:
        teller = NativeTeller(self._gateway, self.dialect, wire)
        whole = recovered(parts, request.since)
        subscribed = self.dialect.subscribed(request, [part.at for part in parts], recovered=whole)
        tells = request.snapshot or bool(request.since)
        return Telling(
            teller,
            parts,
            _wishes_of(request),
            snapshot=request.snapshot,
            opening=[text_frame(subscribed), *teller.losses(parts)],
            ending=partial(self._say_snapshot_end, request) if tells else None,
        )

    def _join(self, wire: Wire, request: Subscribe, telling: Telling, parts: Sequence[Owed]) -> bool:
        """Say the rest and make the client one of the live, if the rest is at hand."""
        frames = telling.frames()
        if frames is None:
            return False
        if request.since:
            self._gateway.resumed[Resumed.FROM_STREAM if telling.has_read else Resumed.FROM_MEMORY] += 1
        self._move(wire, self._with(request), frames)
        if wire.lagging:
            self._told.note(parts, self.topics)
        else:
            self._told.clear()
        return True

    def _move(self, wire: Wire, wishes: frozenset[Wish], frames: Sequence[bytes]) -> None:
        """Change what the client wants; one that is behind is seated when it has caught up."""
        self.wishes = wishes
        if self._behind is None:
            self._gateway.hub.move(wire, wishes, frames)
        elif frames:
            wire.show(frames)

    # What takes longer.

    def fell_behind(self, wire: Wire, since: Mapping[str, int]) -> bool:
        """Note from where on the client is owed everything, and return that it will be told."""
        self._behind = owed_after(self._gateway.past, self.topics, since)
        self._drained.clear()
        return not wire.closing

    def drained(self, wire: Wire) -> None:
        """Begin to catch up."""
        self._drained.set()
        self._begin_task(wire)

    def stop(self) -> None:
        """Read no stream any more for a client that is gone: others wait for their turn to be read for."""
        if self._task is not None:
            self._task.cancel()

    def _begin_task(self, wire: Wire) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._work(wire), name=f"native-{wire.id}")

    async def _work(self, wire: Wire) -> None:
        """Do what waits, one after the other."""
        try:
            while not wire.closing and (self._behind is not None or self._waiting):
                if self._behind is not None:
                    await self._catch_up(wire)
                else:
                    await self._tell(wire, self._waiting.popleft())
                    await asyncio.sleep(0)  # others have their turn, however much this one asks for
        except Exception:
            log.exception("a client's past could not be told")
            self._gateway.hub.end(wire, Farewell.FAILED)
        finally:
            self._task = self._now_told = None

    async def _tell(self, wire: Wire, request: Subscribe | Unsubscribe) -> None:
        if self._obeyed(wire, request) or isinstance(request, Unsubscribe):
            return
        while not self._is_known(request) and not wire.closing:  # noqa: ASYNC110 - no event for a rare case
            await asyncio.sleep(_KNOWN_EVERY)
        # What the topics meant before is told no more: the past that now follows would stand behind it.
        self._move(wire, _without(self.wishes, request.topics), [])
        parts = owed(self._gateway.past, request.topics, request.since)
        await NativeTeller(self._gateway, self.dialect, wire).look_up(parts)
        telling = self._telling(wire, request, parts)
        while not wire.closing:
            wrong = self._wrong_with(wire, request)
            if wrong is not None:
                self._refuse(wire, wrong)
                return
            if self._behind is not None:
                await self._catch_up(wire)
            self._begin_telling(telling)
            if self._join(wire, request, telling, parts):
                return
            await telling.prepare()

    async def _catch_up(self, wire: Wire) -> None:
        """Tell a client that fell behind what it missed, and make it one of the live again."""
        parts, wishes, telling = self._behind or [], None, None
        while not wire.closing:
            if telling is None or wishes is not self.wishes:
                wishes = self.wishes
                telling = self._telling_of(wire, parts)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY):
                    await self._drained.wait()
            if not self._drained.is_set() or wishes is not self.wishes:
                continue
            self._begin_telling(telling)
            frames = telling.frames()
            if frames is not None:
                self._behind = None
                self._told.clear()
                self._gateway.resumed[Resumed.CAUGHT_UP] += 1
                self._gateway.hub.move(wire, self.wishes, frames)
                return
            await telling.prepare()

    def _telling_of(self, wire: Wire, parts: Iterable[Owed]) -> Telling:
        """Return what is to be said of *parts* of topics that are still wanted."""
        wanted = []
        for part in parts:
            part.topics = tuple(topic for topic in part.topics if topic in self.topics)
            if part.topics:
                wanted.append(part)
        teller = NativeTeller(self._gateway, self.dialect, wire)
        return Telling(teller, wanted, self.wishes, floors=self._told.floors(self._gateway.past.streams))

    def _begin_telling(self, telling: Telling) -> None:
        self._now_told = telling
        telling.stopped = False

    # Who it is.

    def _identify(self, wire: Wire, token: str, number: FrameId) -> None:
        verdict = self._gateway.entry.authenticate(wire, token)
        if isinstance(verdict, Denied):
            self._refuse(wire, Wrong(Refusal.UNAUTHENTICATED, verdict.words, number))
            return
        ends = verdict.expires_at
        left = None if ends is None else max(0, round((ends - time.time()) * 1000))
        wire.say(text_frame(self.dialect.authenticated(number, left)))
        if self._now_told is not None:
            self._now_told.stopped = True  # what may be told of the past is judged anew
        denied = [topic for topic in self.topics if not verdict.may_subscribe(topic)]
        if denied:
            words = f"the token allows no more: {', '.join(sorted(denied))[:400]}"
            self._refuse(wire, Wrong(Refusal.FORBIDDEN, words))
            self._move(wire, _without(self.wishes, denied), [])

    # What it is told.

    def _say_unsubscribed(self, request: Unsubscribe) -> bytes:
        return text_frame(self.dialect.unsubscribed(request))

    def _say_snapshot_end(self, request: Subscribe, count: int) -> bytes:
        self._gateway.snapshots.note(count)
        return text_frame(self.dialect.snapshot_end(request, count))

    def _refuse(self, wire: Wire, wrong: Wrong) -> None:
        self._gateway.hub.refusals[wrong.refusal] += 1
        wire.say(text_frame(self.dialect.wrong(wrong)))

    def heartbeat(self, now: datetime) -> bytes:
        """Return the frame that shows an idle client that we live."""
        return text_frame(self.dialect.heartbeat(now))

    def status(self, state: str, reason: str | None, now: datetime) -> bytes:
        """Return the frame that says whether the bus is heard."""
        return text_frame(self.dialect.status(state, reason, now))

    def farewell(
        self, reason: Farewell, now: datetime, particular: str | None = None
    ) -> tuple[int, str, bytes]:
        """Return code, reason and last frames; who may come back is told when, spread over a while."""
        code, usual = FAREWELLS[reason]
        words = particular or usual
        wait = random.randrange(self._gateway.return_within_ms)  # noqa: S311 - spreads load, guards nothing
        last = text_frame(self.dialect.error(reason.value, words, now))
        if reason is Farewell.LEAVING:
            last = text_frame(self.dialect.drain(wait))
        if comes_back(code) is Return.LATER:
            words = f"{words}; retry_in_ms={wait}"
        return code, words, last

    def expiring(self, in_seconds: float) -> bytes:
        """Return the frame that asks for a fresher token."""
        return text_frame(self.dialect.token_expiring(round(in_seconds * 1000)))

    def code_of_broken(self, standard: int) -> int:  # noqa: ARG002 - natives have a code of their own
        """Return the close code for a client that broke the WebSocket protocol."""
        return _BAD_FRAME


def _wishes_of(request: Subscribe) -> frozenset[Wish]:
    return frozenset(Wish(topic, request.filter) for topic in request.topics)


def _without(wishes: frozenset[Wish], topics: Iterable[str]) -> frozenset[Wish]:
    gone = frozenset(topics)
    return frozenset(wish for wish in wishes if wish.topic not in gone)


_BAD_FRAME = code_of("bad_frame", native=True)
