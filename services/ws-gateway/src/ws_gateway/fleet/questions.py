"""What workers ask each other over the bus: who has this client, and whom do you have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import orjson
import structlog
from pydantic import ValidationError

from baleen_bus import Bus
from baleen_bus.errors import BusError
from baleen_contracts.command import CommandReply, CommandRequest, gateway_subject
from ws_gateway.fleet.clients import details_of, row_of
from ws_gateway.hub.hub import Hub

log = structlog.get_logger(__name__)

MAX_ROWS: Final = 1_000
"""Clients that one worker tells of at a time: what NATS carries in one message."""
ANSWERED_WITHIN: Final = 1.0


class Questions:
    """Answers what other workers ask about the clients of this one."""

    def __init__(self, worker: str, host: str, hub: Hub) -> None:
        self._worker = worker
        self._host = host
        self._hub = hub
        self._known: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
            "describe_client": lambda asked: self.client(str(asked.get("client_id"))),
            "list_clients": lambda asked: self.clients(
                asked.get("label"), asked.get("dialect"), int(asked.get("limit", 0))
            ),
        }

    def client(self, name: str) -> dict[str, Any] | None:
        """Return all that is known of a client of this worker; None where there is none of that name."""
        wire = self._hub.find(name)
        if wire is None or wire.closing:
            return None
        return {"worker": self._worker, "host": self._host, **details_of(self._hub, wire)}

    def clients(self, label: str | None, dialect: str | None, limit: int) -> list[dict[str, Any]]:
        """Return a row for each client, at most *limit*, the longest here first.

        Args:
            label: only those that are counted under this name.
            dialect: only those that speak this dialect, or one that is called after it.
            limit: no more than so many.
        """
        wires = [
            wire
            for wire in self._hub.wires
            if label in (None, wire.session.label)
            and (dialect is None or f"{wire.session.dialect.name}.".startswith(f"{dialect}."))
            and not wire.closing
        ]
        wires.sort(key=lambda wire: wire.number)
        return [{"worker": self._worker, **row_of(self._hub, wire)} for wire in wires[: min(limit, MAX_ROWS)]]

    async def run(self, bus: Bus) -> None:
        """Answer until cancelled."""

        async def answer(message: Any) -> None:
            if message.reply:
                await message.respond(orjson.dumps(self._reply(message.data)))

        subscription = await bus.nc.subscribe(gateway_subject(self._worker), cb=answer)
        try:
            await asyncio.Event().wait()
        finally:
            await bus.nc.unlisten(subscription)

    def _reply(self, body: bytes) -> dict[str, Any]:
        try:
            asked = CommandRequest.model_validate_json(body)
            answer = self._known[asked.action]
            return {"ok": True, "data": {"answer": answer(asked.model_extra or {})}}
        except (ValidationError, KeyError, ValueError, TypeError):
            return {"ok": False, "code": "BAD_REQUEST", "message": f"known are {', '.join(self._known)}"}


async def ask_all(bus: Bus, workers: Iterable[str], action: str, **more: Any) -> dict[str, Any]:
    """Return what each of *workers* answers, None where it does not in time."""
    asked = list(workers)
    told = await asyncio.gather(*(_ask(bus, worker, action, more) for worker in asked))
    return dict(zip(asked, told, strict=True))


async def _ask(bus: Bus, worker: str, action: str, more: Mapping[str, Any]) -> Any:
    try:
        request = {"action": action, "client": "ws-gateway", **more}
        answer = await bus.request_json(gateway_subject(worker), request, within=ANSWERED_WITHIN)
        told = CommandReply.model_validate(answer)
    except (BusError, ValidationError, ValueError) as error:
        log.info("a worker does not answer", worker=worker, reason=type(error).__name__)
        return None
    return (told.data or {}).get("answer")
