"""Commands of a native client: passed on over the bus, a few at a time, and answered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from nats.errors import NoRespondersError
from pydantic import ValidationError

from baleen_bus.errors import BusError
from baleen_contracts.command import CommandReply, CommandRequest
from baleen_runtime import tracing
from ws_gateway.errors import Refusal
from ws_gateway.native.dialect import Native
from ws_gateway.native.requests import Command, Wrong
from ws_gateway.traces import answered, asking
from ws_gateway.wire.frames import text_frame

if TYPE_CHECKING:
    from ws_gateway.gateway import Gateway
    from ws_gateway.wire.wire import Wire

AT_ONCE: Final = 4
ANSWERED_WITHIN: Final = 5.0


class Commanding:
    """One client's commands."""

    def __init__(self, gateway: Gateway, dialect: Native) -> None:
        """Pass commands on over the bus of *gateway*."""
        self._gateway = gateway
        self._dialect = dialect
        self._asking: set[asyncio.Task[None]] = set()

    def obey(self, wire: Wire, command: Command) -> Wrong | None:
        """Pass a command on, or return why not; the answer follows."""
        if not wire.identity.may_publish(command.subject):
            words = f"the token does not allow {command.subject[:80]!r}"
            return Wrong(Refusal.FORBIDDEN, words, command.id)
        if len(self._asking) >= AT_ONCE:
            return Wrong(Refusal.BUSY, f"{AT_ONCE} commands wait for an answer already", command.id)
        try:
            order = {**command.data, "action": command.action, "client": wire.identity.subject or wire.id}
            request = CommandRequest.model_validate(order)
        except ValidationError:
            return Wrong(Refusal.BAD_REQUEST, "data does not fit a command", command.id)
        task = asyncio.create_task(self._ask(wire, command, request), name=f"command-{wire.id}")
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
        return None

    async def _ask(self, wire: Wire, command: Command, request: CommandRequest) -> None:
        reply = await self._reply(command.subject, request)
        wire.say(text_frame(self._dialect.command_ack(command.id, reply)))

    async def _reply(self, subject: str, request: CommandRequest) -> CommandReply:
        with asking(subject, request.action) as span:
            reply = await self._answer(subject, request)
            answered(span, reply)
            return reply

    async def _answer(self, subject: str, request: CommandRequest) -> CommandReply:
        bus = self._gateway.bus
        if bus is None:
            return CommandReply(ok=False, code="unavailable", message="the bus is away; try again")
        body = request.model_dump(mode="json", exclude_none=True)
        try:
            told = await bus.request_json(subject, body, headers=tracing.headers(), within=ANSWERED_WITHIN)
            return CommandReply.model_validate(told)
        except ValidationError:
            return CommandReply(ok=False, code="bad_answer", message=f"{subject} answered what is no reply")
        except BusError as error:
            if isinstance(error.__cause__, NoRespondersError):
                return CommandReply(ok=False, code="no_answer", message=f"nobody answers for {subject}")
            return CommandReply(
                ok=False, code="unavailable", message="no answer in time; whether it was done is not known"
            )
