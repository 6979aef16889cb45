"""One client's conversation about one session: what it says is answered or carried to the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from baleen_contracts.close_codes import code_of
from baleen_contracts.command import CommandReply, CommandRequest, session_subject
from baleen_contracts.session import SessionType
from ws_gateway.dialects.alphalab import (
    BACKTEST_ORDERS,
    COMMAND_FAILED,
    FORWARD_ORDERS,
    NAME,
    AlphaLab,
    Order,
    Wrong,
)
from ws_gateway.dialects.alphalab_story import Story
from ws_gateway.errors import Farewell, Refusal
from ws_gateway.session import Plain
from ws_gateway.sessions.allowance import Allowance
from ws_gateway.sessions.past import STREAM
from ws_gateway.wire.frames import text_frame
from ws_gateway.wire.wire import Wire

if TYPE_CHECKING:
    from ws_gateway.gateway import Gateway

ORDERS_PER_SECOND: Final = 10.0
MOST_IN_FLIGHT: Final = 4
"""Orders of one client that wait for an answer."""
_MOST_EARLY: Final = 16
_MAX_CLIENT: Final = 200
_ORDERS: Final = {SessionType.BACKTEST: BACKTEST_ORDERS, SessionType.FORWARD: FORWARD_ORDERS}


class Watching(Plain):
    """A client that watches a session; until it is known to be allowed to, what it says waits."""

    __slots__ = ("_allowance", "_behind_since", "_early", "_gateway", "_in_flight", "alphalab", "session_id")

    def __init__(self, gateway: Gateway, session_id: str, kind: SessionType) -> None:
        """Begin a conversation about the session *session_id*, asked for as one of that *kind*."""
        self.alphalab = AlphaLab(f"{NAME} {session_id}", _ORDERS[kind])
        super().__init__(self.alphalab, kind.value)
        self._behind_since: int | None = None
        self.session_id = session_id
        self._gateway = gateway
        self._early: list[str] | None = []
        self._in_flight = 0
        self._allowance = Allowance(
            per_second=ORDERS_PER_SECOND,
            at_once=int(ORDERS_PER_SECOND),
            now=asyncio.get_running_loop().time(),
        )

    def open(self, wire: Wire) -> None:
        """Hear the client from now on, and what it has said so far."""
        early, self._early = self._early or [], None
        for text in early:
            self.heard(wire, text)

    def begin(self) -> AlphaLab:
        """Return the dialect in which the session is told from its beginning."""
        self.dialect = self.alphalab = replace(self.alphalab, story=Story())
        return self.alphalab

    def fell_behind(self, wire: Wire, since: Mapping[str, int]) -> bool:  # noqa: ARG002 - it is the one that asks
        """Return that it catches up; the session is told again from where it read it last."""
        self._behind_since = since.get(STREAM)
        return self._behind_since is not None

    def drained(self, wire: Wire) -> None:
        """Catch up."""
        since, self._behind_since = self._behind_since, None
        if since is not None:
            self._gateway.sessions.catch_up(wire, self, since)

    def heard(self, wire: Wire, text: str) -> None:
        """Answer, or have the engine obey."""
        if self._early is not None:
            if len(self._early) < _MOST_EARLY:
                self._early.append(text)
            else:
                self._refuse(wire, _too_many("wait until the session is open"))
            return
        said = self.alphalab.read(text)
        if isinstance(said, Order):
            self._obey(wire, said)
        elif isinstance(said, Wrong):
            self._refuse(wire, said)
        else:
            self._say(wire, *self.alphalab.answer(said, datetime.now(UTC)))

    def farewell(
        self, reason: Farewell, now: datetime, particular: str | None = None
    ) -> tuple[int, str, bytes]:
        """Return close code, reason and error frame, in the words that these clients know.

        What is particular stands in the frame's details.
        """
        if reason not in _FAREWELLS:
            return super().farewell(reason, now, particular)
        code, words = _FAREWELLS[reason]
        return code, words, text_frame(self.alphalab.error(reason.value, words, now, particular))

    def _obey(self, wire: Wire, order: Order) -> None:
        if not wire.identity.may_publish(session_subject(self.session_id)):
            words = f"the token does not allow {order.action} here"
            self._refuse(wire, Wrong(Refusal.FORBIDDEN, COMMAND_FAILED, words, _about(order, "forbidden")))
        elif self._in_flight >= MOST_IN_FLIGHT:
            self._refuse(wire, _too_many(f"{MOST_IN_FLIGHT} orders wait for the engine already"))
        elif not self._allowance.take(asyncio.get_running_loop().time()):
            self._refuse(wire, _too_many(f"at most {ORDERS_PER_SECOND:g} orders a second"))
        else:
            self._in_flight += 1
            request = CommandRequest(
                action=order.action, client=_name_of(wire), close_position=order.close_position
            )
            self._gateway.sessions.orders.give(
                self._gateway.bus, self.session_id, request, lambda reply: self._reply(wire, order, reply)
            )

    def _reply(self, wire: Wire, order: Order, reply: CommandReply) -> None:
        self._in_flight -= 1
        if reply.ok:
            self._say(wire, self.alphalab.acknowledged(order, reply.data or {}, datetime.now(UTC)))
        else:
            words = reply.message or f"the engine refuses to {order.action}"
            self._refuse(
                wire, Wrong(Refusal.NOT_DONE, COMMAND_FAILED, words, _about(order, reply.code or "refused"))
            )

    def _refuse(self, wire: Wire, wrong: Wrong) -> None:
        self._gateway.hub.refusals[wrong.refusal] += 1
        self._say(wire, *self.alphalab.answer(wrong, datetime.now(UTC)))

    @staticmethod
    def _say(wire: Wire, *texts: bytes) -> None:
        for text in texts:
            wire.say(text_frame(text))


def _about(order: Order, reason: str) -> Mapping[str, str]:
    return {"action": order.action, "reason": reason}


def _too_many(words: str) -> Wrong:
    return Wrong(Refusal.TOO_OFTEN, COMMAND_FAILED, words, {"reason": "too_many"})


def _name_of(wire: Wire) -> str | None:
    """Return who gives an order, for the engine's log: the token's subject, else the address."""
    peer = wire.transport.get_extra_info("peername")
    name = wire.identity.subject or (str(peer[0]) if peer else None)
    return name[:_MAX_CLIENT] if name else None


_AUTHENTICATION: Final = (code_of("policy", native=False), "Authentication required")
_FAREWELLS: Final = {
    Farewell.UNAUTHENTICATED: _AUTHENTICATION,
    Farewell.EXPIRED: _AUTHENTICATION,
    Farewell.FORBIDDEN: (code_of("policy", native=False), "Unauthorized session access"),
    Farewell.UNAUTHORIZED_SESSION: (code_of("policy", native=False), "Unauthorized session access"),
    Farewell.BUS_AWAY: (
        code_of("try_later", native=False),
        "sessions cannot be read at the moment; try again later",
    ),
}
