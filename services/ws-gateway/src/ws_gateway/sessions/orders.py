"""Orders of clients, carried to the engine and answered; a task for each that waits for its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog
from nats.errors import NoRespondersError
from pydantic import ValidationError

from baleen_bus import BusError
from baleen_contracts.command import CommandReply, CommandRequest, session_subject
from baleen_runtime import tracing
from ws_gateway.traces import answered, asking

if TYPE_CHECKING:
    from baleen_bus import Bus

log = structlog.get_logger(__name__)

ANSWERED_WITHIN: Final = 5.0
"""Seconds an engine has for an order."""
MOST_AT_ONCE: Final = 512
"""Orders of all clients that wait for an answer."""
_NOBODY: Final = CommandReply(ok=False, code="no_engine", message="nobody runs this session at the moment")
_SILENT: Final = CommandReply(
    ok=False,
    code="no_answer",
    message=f"the engine has not answered within {ANSWERED_WITHIN:g} s; the order may yet be carried out",
)
_GARBLED: Final = CommandReply(ok=False, code="bad_answer", message="the engine's answer cannot be read")
_BUS_AWAY: Final = CommandReply(ok=False, code="bus_away", message="the bus is away at the moment")
_BUSY: Final = CommandReply(ok=False, code="busy", message="too many orders wait for their engines")


class Orders:
    """The orders that wait for an answer."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def give(
        self,
        bus: Bus | None,
        session_id: str,
        request: CommandRequest,
        on_reply: Callable[[CommandReply], None],
    ) -> None:
        """Send an order; *on_reply* is called once, with a reply of ours if the engine has none in time."""
        if bus is None or not bus.connected:
            on_reply(_BUS_AWAY)
        elif len(self._tasks) >= MOST_AT_ONCE:
            on_reply(_BUSY)
        else:
            task = asyncio.create_task(_carry(bus, session_id, request, on_reply), name="session-order")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Wait for no answer any more."""
        for task in self._tasks:
            task.cancel()


async def _carry(
    bus: Bus, session_id: str, request: CommandRequest, on_reply: Callable[[CommandReply], None]
) -> None:
    subject = session_subject(session_id)
    with asking(subject, request.action) as span:
        try:
            answer = await bus.request(
                subject, request.to_json(), headers=tracing.headers(), within=ANSWERED_WITHIN
            )
            reply = CommandReply.model_validate_json(answer.data)
        except ValidationError:
            reply = _GARBLED
        except BusError as error:
            reply = _NOBODY if isinstance(error.__cause__, NoRespondersError) else _SILENT
            log.info("order not answered", action=request.action, reason=str(error.__cause__ or error))
        answered(span, reply)
    on_reply(reply)
