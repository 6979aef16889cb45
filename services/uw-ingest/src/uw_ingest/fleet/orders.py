"""What others may ask of uw-ingest over the bus: to connect to upstream anew."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import structlog
from pydantic import ValidationError

from baleen_bus.connection import Bus
from baleen_bus.errors import BusError
from baleen_contracts.command import RECONNECT_SUBJECT, CommandReply, CommandRequest
from baleen_runtime import tracing
from baleen_runtime.clock import Clock
from baleen_runtime.traceparent import TRACEPARENT, heard
from baleen_runtime.tracing import Kind, Span
from uw_ingest.slots.feed import Connection, Feed

log: Any = structlog.get_logger("uw_ingest.fleet.orders")

ONCE_IN = 60.0  # seconds; a client in a loop must not become a storm upstream
DONE_WITHIN = 3.0  # seconds; who asks waits a little longer than this
ANSWERED_WITHIN = 4.0  # seconds
LOOK_EVERY = 0.02


async def obey(bus: Bus, feeds: Callable[[], Sequence[Feed]], clock: Clock) -> None:
    """Answer orders for ever; a replica without a socket leaves them to the others."""
    last = -ONCE_IN

    async def answer(message: Any) -> None:
        nonlocal last
        ours = feeds()
        if not ours:
            return
        with _span("reconnect", Kind.SERVER, heard((message.headers or {}).get(TRACEPARENT))) as span:
            now = clock.monotonic()
            reply = refusal(message.data, since_last=now - last)
            if reply is None:
                last = now
                reply = await _reconnect(ours)
            _answered(span, reply)
        log.info("asked to reconnect", ok=reply.ok, code=reply.code)
        if message.reply:
            await message.respond(reply.to_json())

    await bus.nc.subscribe(RECONNECT_SUBJECT, cb=answer)
    await asyncio.Event().wait()


async def order(bus: Bus, traceparent: str | None = None) -> CommandReply:
    """Ask whoever holds a socket to open it anew, over the bus; *traceparent* is the trace that asks."""
    asked = {"action": "reconnect", "client": "uw-ingest"}
    with _span("ask command", Kind.CLIENT, traceparent) as span:
        try:
            reply = CommandReply.model_validate(
                await bus.request_json(
                    RECONNECT_SUBJECT, asked, headers=tracing.headers(), within=ANSWERED_WITHIN
                )
            )
        except (BusError, ValidationError) as error:
            reply = CommandReply(ok=False, code="NO_ANSWER", message=f"no replica holds a socket ({error})")
        _answered(span, reply)
        return reply


def _span(name: str, kind: Kind, traceparent: str | None) -> AbstractContextManager[Span]:
    return tracing.span(
        name,
        kind,
        after=traceparent,
        messaging__system="nats",
        messaging__destination__name=RECONNECT_SUBJECT,
        baleen__command__action="reconnect",
    )


def _answered(span: Span, reply: CommandReply) -> None:
    span.note(baleen__outcome="done" if reply.ok else "refused", baleen__reason=reply.code)
    if not reply.ok:
        span.fail(reply.code or "refused")


def refusal(body: bytes, *, since_last: float) -> CommandReply | None:
    """Say why an order is not obeyed, or ``None`` when it is."""
    try:
        order = CommandRequest.model_validate_json(body)
    except ValidationError:
        return CommandReply(ok=False, code="BAD_REQUEST", message="an order is a JSON object with an action")
    if order.action != "reconnect":
        return CommandReply(ok=False, code="UNKNOWN_ACTION", message="uw-ingest knows only: reconnect")
    if since_last < ONCE_IN:
        seconds = round(ONCE_IN - since_last)
        return CommandReply(ok=False, code="TOO_SOON", message=f"reconnected lately; again in {seconds} s")
    return None


async def _reconnect(feeds: Sequence[Feed]) -> CommandReply:
    opened = [feed.opened_times for feed in feeds]
    for feed in feeds:
        feed.renew()
    for _ in range(round(DONE_WITHIN / LOOK_EVERY)):
        behind = [
            feed
            for feed, before in zip(feeds, opened, strict=True)
            if feed.opened_times == before or feed.connection is not Connection.CONNECTED
        ]
        if not behind:
            return CommandReply(ok=True)
        await asyncio.sleep(LOOK_EVERY)
    why = behind[0].reason or str(behind[0].connection)
    return CommandReply(ok=False, code="NOT_CONNECTED", message=f"upstream is not connected: {why}")
