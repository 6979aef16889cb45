"""An engine that plays one scripted session again and again: it says what happens, and does as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from random import Random

import structlog
from nats.aio.msg import Msg
from pydantic import ValidationError

from baleen_bus import Bus, BusError, OutboxFull, Publisher
from baleen_bus.sessions import announce_session
from baleen_contracts.command import CommandReply, CommandRequest, session_subject
from baleen_contracts.session import SessionData, SessionEvent, SessionType
from baleen_contracts.session_entry import SessionEntry, SessionState
from uw_simulator.demo_run import Run
from uw_simulator.demo_sessions import Steps

log = structlog.get_logger(__name__)

OWNER = "demo"
"""The subject of the tokens that may watch the demo's sessions, where tokens are asked for."""
_BETWEEN_SESSIONS = 5.0
_ANNOUNCED_EVERY = 86_400.0
"""Seconds after which a session that stands still is announced again, before it is forgotten."""
_TRY_AGAIN_AFTER = 1.0
_NOT_RUNNING = CommandReply(ok=False, code="not_running", message="the session begins in a moment")
_UNREADABLE = CommandReply(ok=False, code="bad_request", message="the order cannot be read")


class DemoEngine:
    """Plays a session for whoever watches it."""

    def __init__(
        self,
        bus: Bus,
        publisher: Publisher,
        session_id: str,
        kind: SessionType,
        steps: Callable[[Random, datetime], Steps],
    ) -> None:
        self._bus, self._publisher = bus, publisher
        self._session_id, self._kind, self._steps = session_id, kind, steps
        self._run: Run | None = None
        self._told = asyncio.Event()
        """Set when an order was obeyed."""

    async def play(self) -> None:
        """Play until cancelled."""
        await self._bus.nc.subscribe(session_subject(self._session_id), cb=self._hear)
        while True:
            run = Run(self._session_id, self._kind, self._steps(Random(), datetime.now(UTC)))  # noqa: S311 - a demo
            await self._announce(run.state)
            self._run = run
            await self._play_through(run)
            await self._announce(run.state)
            await asyncio.sleep(_BETWEEN_SESSIONS)

    async def _play_through(self, run: Run) -> None:
        while run.state is not SessionState.COMPLETED:
            before = run.state
            await self._wait(run)
            if run.state is not before or run.state is SessionState.PAUSED:
                await self._announce(run.state)
            elif not self._told.is_set():
                self._say(run.step())
            self._told.clear()

    async def _wait(self, run: Run) -> None:
        """Wait until the next event is due, or an order was obeyed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(run.pause if run.state is SessionState.RUNNING else _ANNOUNCED_EVERY):
                await self._told.wait()

    async def _hear(self, message: Msg) -> None:
        reply = _NOT_RUNNING
        try:
            request = CommandRequest.model_validate_json(message.data)
        except ValidationError:
            reply = _UNREADABLE
        else:
            if self._run is not None:
                reply, event = self._run.obey(request)
                self._say(event)
                if reply.ok:
                    self._told.set()
                log.info("order", session=self._session_id, action=request.action, done=reply.ok)
        await message.respond(reply.to_json())

    async def _announce(self, state: SessionState) -> None:
        """Say how the session stands; tried until it is known, for without it nobody can watch."""
        while True:
            entry = SessionEntry(
                session_id=self._session_id,
                session_type=self._kind,
                owner=OWNER,
                state=state,
                updated_at=datetime.now(UTC),
            )
            try:
                await announce_session(self._bus, entry)
            except BusError as error:
                log.warning("session is not announced", session=self._session_id, reason=str(error))
                await asyncio.sleep(_TRY_AGAIN_AFTER)
            else:
                return

    def _say(self, data: SessionData | None) -> None:
        if data is None:
            return
        event = SessionEvent(
            session_id=self._session_id,
            session_type=self._kind,
            event=data.event,
            data=data.model_dump(mode="json", exclude_unset=True),
            occurred_at=datetime.now(UTC),
        )
        with suppress(OutboxFull):  # the bus is away: a demo has nothing worth keeping
            self._publisher.offer(event)
