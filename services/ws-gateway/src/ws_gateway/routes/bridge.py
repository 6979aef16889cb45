"""`/ws` and `GET /health`: the Streamlit bridge, its state and its events."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from fastapi import APIRouter, Request, Response, WebSocket

from baleen_bus import Gap
from baleen_contracts.catalogue import by_name
from baleen_contracts.tokens import token
from ws_gateway.dialects.bridge import (
    ALL_STATE,
    EVERYTHING,
    Bridge,
    Ping,
    RequestState,
    Subscribe,
    Wrong,
    read,
)
from ws_gateway.dialects.bridge_snapshot import Present
from ws_gateway.dialects.timestamps import stamp
from ws_gateway.event import Event
from ws_gateway.gateway import Gateway
from ws_gateway.hub.wishes import plain
from ws_gateway.session import Plain
from ws_gateway.wire.frames import text_frame
from ws_gateway.wire.wire import Wire

router = APIRouter()

LABEL: Final = "bridge"
STREAM: Final = by_name("bridge_state").stream or ""
_DIALECT: Final = Bridge()
_SNAPSHOTS_AT_ONCE: Final = 5.0
_SNAPSHOTS_PER_SECOND: Final = 1.0
_MAX_NAME: Final = 64


class Stage:
    """What every client of the bridge is shown; its frames are made once for all who come together."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._present = Present(
            frame_of=lambda event: gateway.hub.frame(_DIALECT, event),
            all_of_state=lambda: gateway.last(ALL_STATE),
            since=self._since,
            clock=time.monotonic,
        )
        gateway.on_gap.append(self._on_gap)
        gateway.on_settled.append(self._on_settled)

    @property
    def known(self) -> bool:
        """Whether the past of the bridge's stream has been read, so that the state is whole."""
        return STREAM in self.gateway.settled

    def frames(self) -> list[bytes]:
        """Return the snapshot of now, followed by updates that lead on from it where one frame is too small.

        All that any client is given later has a greater revision.
        """
        return self._present.frames(self.gateway.past.streams[STREAM].tail.heard, datetime.now(UTC))

    def _since(self, revision: int) -> list[Event] | None:
        tail = self.gateway.past.streams[STREAM].tail
        return tail.after(revision, (ALL_STATE,)) if tail.covers(revision) else None

    def _on_settled(self, stream: str) -> None:
        if stream == STREAM:
            self._present.forget()
            self._show_all()

    def _on_gap(self, gap: Gap) -> None:
        """Tell every client what will not come, and the state as it is now."""
        if gap.stream == STREAM:
            self._present.forget()
            told = _DIALECT.gap(gap.from_seq, gap.to_seq, str(gap.reason), datetime.now(UTC))
            self._show_all(text_frame(told))

    def _show_all(self, before: bytes = b"") -> None:
        for wire in tuple(self.gateway.hub.wires):
            if isinstance(wire.session, Conversation):
                wire.session.show(wire, before)


class Conversation(Plain):
    """One client of the bridge, and what it subscribed to."""

    __slots__ = ("_allowed", "_due", "_since", "_stage", "_topics", "client")

    dialect: Bridge
    _FULL: ClassVar[float] = _SNAPSHOTS_AT_ONCE

    def __init__(self, stage: Stage, client: str) -> None:
        """Begin with everything wanted.

        Args:
            stage: what all clients are shown.
            client: what it calls itself; bounded, and harmless wherever it is printed.
        """
        super().__init__(_DIALECT, LABEL)
        self.client = client
        self._stage = stage
        self._topics: tuple[str, ...] = EVERYTHING
        self._allowed, self._since = self._FULL, time.monotonic()
        self._due = False

    def heard(self, wire: Wire, text: str) -> None:
        """Obey or refuse a request."""
        match read(text):
            case Ping():
                wire.say(text_frame(self.dialect.pong(datetime.now(UTC))))
                wire.said += 1
            case RequestState():
                self._request(wire)
            case Subscribe(topics):
                self._topics = topics
                if self._stage.known:
                    self._stage.gateway.hub.move(wire, plain(topics))
            case Wrong(refusal, message):
                self._stage.gateway.refuse(wire, refusal, message)

    def show(self, wire: Wire, before: bytes = b"") -> None:
        """Say what is owed, then *before* and the whole state, then everything later that is wanted."""
        if wire.closing or not self._stage.known:
            return
        frames = self._stage.frames()
        self._stage.gateway.hub.move(wire, plain(self._topics), [before, *frames])
        wire.said += len(frames)

    def _request(self, wire: Wire) -> None:
        """Show the state now, or soon where a client asks again and again; one answer may serve several."""
        now = time.monotonic()
        regained = (now - self._since) * _SNAPSHOTS_PER_SECOND
        self._allowed, self._since = min(self._FULL, self._allowed + regained), now
        if self._due:
            return
        wait = (1.0 - self._allowed) / _SNAPSHOTS_PER_SECOND
        if wait <= 0:
            self._answer(wire)
        else:
            self._due = True
            asyncio.get_running_loop().call_later(wait, self._answer, wire)

    def _answer(self, wire: Wire) -> None:
        self._due = False
        self._allowed -= 1.0
        self.show(wire)


@router.websocket("/ws")
async def on_bridge(websocket: WebSocket) -> None:
    """The state first, then every event and every change of state, by one revision."""
    stage: Stage = websocket.app.state.bridge
    gateway = stage.gateway
    conversation = Conversation(stage, _name(websocket.headers.get("x-client-id")))
    wire = await gateway.take_in(websocket, conversation)
    if wire is None or not gateway.entry.allow(wire, EVERYTHING):
        return
    gateway.hub.admit(wire, plain(()), ())
    conversation.show(wire)
    wire.replay_early()


@router.get("/health", tags=["bridge"])
async def health(request: Request, response: Response) -> dict[str, Any]:
    """Say whether what clients are shown is the present, and count those of all workers."""
    gateway: Gateway = request.app.state.gateway
    ready = gateway.health.ready
    response.status_code = 200 if ready else 503
    response.headers["access-control-allow-origin"] = "*"
    return {
        "status": "healthy" if ready else "unhealthy",
        "connections": gateway.fleet.totals().by_label.get(LABEL, 0),
        "timestamp": stamp(datetime.now(UTC)),
    }


def _name(said: str | None) -> str:
    """Return what a client calls itself, cut and escaped; nothing where it has no name."""
    return token(said[:_MAX_NAME]) if said else ""
