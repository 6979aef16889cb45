"""The gateway: hub, memory and manners together, as the routes see them in `app.state.gateway`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import structlog
from fastapi import WebSocket, WebSocketDisconnect
from starlette.requests import HTTPConnection

from baleen_bus import Bus, Follower, Gap, GapReason
from baleen_contracts.catalogue import by_name
from baleen_contracts.feed import FeedStatus
from baleen_runtime.health import Health
from ws_gateway.bus.memory import Memory
from ws_gateway.bus.past import Past
from ws_gateway.bus.reread import Rereader
from ws_gateway.doors.entry import Entry
from ws_gateway.doors.origins import Doors
from ws_gateway.errors import Farewell, Refusal, Resumed
from ws_gateway.event import Event
from ws_gateway.fleet.fleet import Fleet
from ws_gateway.hub.hub import Hub, Session
from ws_gateway.hub.laggards import Patience
from ws_gateway.hub.rounds import Rounds
from ws_gateway.sessions.watchers import Watchers
from ws_gateway.settings import Settings
from ws_gateway.sizes import Sizes
from ws_gateway.wire.transport import take_over
from ws_gateway.wire.two_way import TwoWay
from ws_gateway.wire.wire import Wire

log = structlog.get_logger(__name__)

_SIMULATOR = "uw-simulator"
_SIMULATED_FOR = 60.0
RETURN_WITHIN_MS = 3_000
LONGEST_RETURN_MS = 10_000
_SNAPSHOT_SIZES = (0, 1, 10, 50, 200, 1_000, 10_000, 100_000)


class Gateway:
    """What the service knows and can do."""

    def __init__(self, settings: Settings) -> None:
        """Make a gateway in the running event loop; it is fed by `ws_gateway.bus.listen`."""
        self.settings = settings
        self.doors = Doors(settings.origins, settings.hosts, anywhere=settings.anywhere)
        self.hub = Hub(
            Patience(
                client_bytes=settings.client_buffer_bytes,
                total_bytes=settings.slow_clients_bytes,
                lag_seconds=settings.client_lag_seconds,
                stuck_seconds=settings.client_stuck_seconds,
            ),
            pack_from=settings.deflate_min_bytes,
        )
        self.rounds = Rounds(self.hub)
        self.sessions = Watchers(self)
        self.rounds.beside.append(self.sessions.beat)
        self.past = Past(Memory(settings.newest_kept), settings.tail_mib << 20)
        self.leaving = False
        self.return_within_ms = RETURN_WITHIN_MS
        """Over how long native clients that are sent away are spread when they return."""
        needs = ("bus", "streams", *(("keys",) if settings.auth_jwks else ()))
        self.health = Health("ws-gateway", needs=needs)
        self.hub.frames_per_second = settings.messages_per_second
        self.entry = Entry(settings, self.hub, self.health)
        self.fleet = Fleet(self.hub, self.entry.limits)
        self.bus: Bus | None = None
        self.followers: tuple[Follower, ...] = ()
        self.rereader: Rereader | None = None
        self.deaf: str | None = None  # why nothing new can arrive, while that is so
        self.taken = self.gaps = 0
        self.resumed: Counter[Resumed] = Counter()
        self.snapshots = Sizes(_SNAPSHOT_SIZES)
        self.settled: set[str] = set()
        self.on_settled: list[Callable[[str], None]] = []
        self.on_gap: list[Callable[[Gap], None]] = [self.sessions.lose]
        self._simulated_until = 0.0

    def take(self, event: Event) -> None:
        """Remember a message of the bus and give it to everyone who wants it."""
        self.taken += 1
        self.note_source(event)
        self.past.keep(event)
        self.hub.publish(event)

    def settle(self, stream: str) -> None:
        """Note that all that is remembered of *stream* is at hand, and that all of it is told from now on."""
        self.settled.add(stream)
        for told in self.on_settled:
            told(stream)

    def lose(self, gap: Gap) -> None:
        """Note messages that will not come; what a stream does not hold any more is forgotten."""
        self.gaps += 1
        if gap.reason in (GapReason.STREAM_RECREATED, GapReason.WENT_BACK):
            self.past.memory.forget(gap.stream, gap.from_seq - 1)
        for told in self.on_gap:
            told(gap)

    def mind_bus(self, lost: str | None) -> None:
        """Note, and tell all clients that have a word for it, that the bus is lost; None: heard again."""
        self.health.report("bus", ok=lost is None, reason=lost or "")
        if lost == self.deaf:
            return
        self.deaf = lost
        state, now = "live" if lost is None else "stale", datetime.now(UTC)
        for wire in tuple(self.hub.wires):
            status = getattr(wire.session, "status", None)
            if status is not None:
                wire.say(status(state, lost, now))

    async def leave(self, within: float) -> None:
        """Admit nobody more, tell every client when to come back, close all within *within* seconds."""
        self.leaving = True
        self.return_within_ms = spread_ms(len(self.hub), self.settings.handshakes_per_second)
        self.health.drain()
        await self.rounds.say_goodbye(within)

    def close(self) -> None:
        """Stop every timer."""
        self.entry.close()
        self.rounds.close()
        self.sessions.close()
        self.hub.close()

    def note_source(self, event: Event) -> None:
        """Note whether what is heard is made up."""
        if event.source == _SIMULATOR:
            self._simulated_until = time.monotonic() + _SIMULATED_FOR

    async def take_in(
        self, websocket: WebSocket, session: Session, subprotocol: str | None = None
    ) -> TwoWay | None:
        """Accept a client, or accept and close it with the reason, which is the only way it can see one.

        Returns:
            its wire, to be admitted to the hub in the same turn; None if it is already being closed.
        """
        verdict = await self.entry.identify_patiently(websocket.scope.get("state", {}).get("bearer"))
        wire = TwoWay(self.hub, session)
        try:
            await websocket.accept(subprotocol=subprotocol)
            take_over(websocket, wire)
        except (ConnectionResetError, WebSocketDisconnect):
            return None
        reason = self.objection(websocket)
        if reason is not None:
            self.hub.end(wire, reason)
            return None
        return wire if self.entry.let_in(wire, websocket.scope, verdict) else None

    def objection(self, connection: HTTPConnection) -> Farewell | None:
        """Return why a client cannot be taken in, whoever it is; None if it can."""
        headers = connection.headers
        if self.leaving:
            return Farewell.LEAVING
        origin, host = headers.get("origin"), headers.get("host")
        if not (self.doors.serves(host) and self.doors.admits(origin, host)):
            return Farewell.ORIGIN
        return Farewell.BUSY if len(self.hub) >= self.settings.max_connections else None

    def newest(self, pattern: str, count: int) -> list[Event]:
        """Return the newest *count* remembered messages that *pattern* means, oldest first."""
        return self.past.memory.newest((pattern,), count)

    def last(self, pattern: str) -> list[Event]:
        """Return the last message of every subject that *pattern* means."""
        return self.past.memory.last((pattern,))

    def feed_statuses(self) -> dict[str, dict[str, Any]]:
        """Return the newest status of every feed, by its name; what cannot be read is left out."""
        found = {}
        for event in self.past.memory.last((by_name("feed_status").pattern,)):
            with suppress(ValueError):
                status = FeedStatus.model_validate(event.data)
                found[event.subject.rpartition(".")[2]] = status.model_dump(mode="json")
        return found

    @property
    def simulated(self) -> bool:
        """Whether upstream data of the last minute came from the simulator."""
        return time.monotonic() < self._simulated_until

    def refuse(self, wire: Wire, refusal: Refusal, message: str) -> None:
        """Tell a client, in its dialect, why it is not obeyed."""
        wire.say(self.hub.refused(wire, refusal, message))


def spread_ms(clients: int, rate: float) -> int:
    """Return over how many milliseconds *clients* should return, so that others take them as they come.

    Args:
        clients: how many there are.
        rate: how many of them may come a second; 0 for any number.
    """
    needed = 1_000 * clients / rate if rate else 0
    return round(min(max(needed, RETURN_WITHIN_MS), LONGEST_RETURN_MS))
