"""The door: whether there is room for somebody, and how long its token lets it stay.

One timer serves all clients with a token, and one more each client that has not said who it is; a client that
needs neither, nor is counted by address, leaves nothing here.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from baleen_runtime.health import Health
from ws_gateway.doors.addresses import client_of, network_of
from ws_gateway.doors.handshakes import Handshakes
from ws_gateway.doors.limits import Kind, Limits
from ws_gateway.doors.rights import NOBODY, Identity
from ws_gateway.doors.stays import Stays
from ws_gateway.doors.tokens import Denied
from ws_gateway.doors.witness import MISSING, Witness
from ws_gateway.errors import Farewell, Untrusted
from ws_gateway.hub.hub import Hub
from ws_gateway.settings import Settings
from ws_gateway.wire.wire import Wire

log = structlog.get_logger(__name__)

MAX_UNIDENTIFIED: Final = 1_000
"""Clients at a time that have not said who they are."""
_PATTERNS_TOLD: Final = 8
_FAREWELLS: Final = {
    Untrusted.KEYS_AWAY: Farewell.KEYLESS,
    Untrusted.CROWDED: Farewell.CROWDED,
    Untrusted.EXPIRED: Farewell.EXPIRED,
}

_OTHER: Final = Denied(Untrusted.OTHER_SUBJECT, "the token is another subject's: connect anew with it")
_CROWDED: Final = Denied(Untrusted.CROWDED, "as many connections as one address or one subject may have")


@dataclass(slots=True)
class _Guest:
    """What is kept of a client until its connection ends."""

    address: str | None = None
    subject: str | None = None
    unheard: asyncio.TimerHandle | None = None
    last_words: str | None = None


class Entry(Witness):
    """Lets clients in, and out again when their time is over."""

    def __init__(
        self, settings: Settings, hub: Hub, health: Health, *, now: Callable[[], float] = time.time
    ) -> None:
        """Open the door in the running event loop.

        Args:
            settings: what the operator decided.
            hub: whose clients come through here.
            health: is told whether there are keys.
            now: Unix seconds.
        """
        super().__init__(settings, health, now=now)
        self._settings, self._hub = settings, hub
        self._loop = asyncio.get_running_loop()
        self._proxies = tuple(map(network_of, settings.trusted_proxies))
        self.limits = Limits(
            per_address=settings.max_connections_per_address,
            per_subject=settings.max_connections_per_subject,
        )
        self.handshakes = Handshakes(
            rate=settings.handshakes_per_second,
            rate_per_address=settings.handshakes_per_second_per_address,
            now=self._loop.time(),
            chance=random.random,
        )
        self.denials: Counter[Untrusted] = Counter()
        self._guests: dict[Wire, _Guest] = {}
        self.unidentified = 0
        """How many clients have not said yet who they are."""
        self.crowded = 0
        """How often an address had too many."""
        self._stays = Stays(hub, warn_ahead=settings.auth_warn_seconds, now=now)
        hub.on_lost = self._lost

    def close(self) -> None:
        """Stop every timer."""
        self._stays.close()
        for guest in self._guests.values():
            self._heard(guest)

    # In.

    def address_of(self, scope: Mapping[str, Any]) -> str | None:
        """Return the address by which whoever sent a request is limited; None for this machine."""
        peer = scope.get("client")
        forwarded = [
            value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"
        ]
        return client_of(peer[0] if peer else None, forwarded, self._proxies)

    def wait_of(self, scope: Mapping[str, Any]) -> int | None:
        """Return after how many seconds whoever shakes hands should come again; None where it may come in."""
        return self.handshakes.wait(self.address_of(scope), self._loop.time())

    def let_in(self, wire: Wire, scope: Mapping[str, Any], verdict: Identity | Denied) -> bool:
        """Let a client in that was accepted, or close it with the reason.

        Who speaks the native protocol may come in without a token, and has a while to say `auth`.
        """
        waits = verdict is MISSING and not wire.session.dialect.seed
        if isinstance(verdict, Denied) and not waits:
            self._refuse(wire, verdict)
            return False
        if not self._count(wire, scope):
            self._refuse(wire, _CROWDED)
            return False
        if isinstance(verdict, Denied):
            return self._await_token(wire)
        known = self._known_as(wire, verdict)
        if isinstance(known, Denied):
            self._refuse(wire, known)
        return isinstance(known, Identity)

    def let_listen(self, wire: Wire, scope: Mapping[str, Any], identity: Identity) -> Denied | None:
        """Let a client in whose request is not answered yet; return why not, and then keep nothing of it."""
        known = self._known_as(wire, identity) if self._count(wire, scope) else _CROWDED
        if not isinstance(known, Denied):
            return None
        self.denials[known.reason] += 1
        self._lost(wire)
        return known

    def allow(self, wire: Wire, topics: Sequence[str]) -> bool:
        """Return whether a client may hear all of *topics*; close it with the reason where it may not."""
        identity: Identity = wire.identity
        missing = next((topic for topic in topics if not identity.may_subscribe(topic)), None)
        if missing is None:
            return True
        allowed = ", ".join(identity.subscribe[:_PATTERNS_TOLD]) or "nothing"
        self._hub.end(wire, Farewell.FORBIDDEN, f"the token does not allow {missing}; it allows {allowed}")
        return False

    def authenticate(self, wire: Wire, token: str) -> Identity | Denied:
        """Let a client that is connected say, or say anew, who it is.

        What it hears is not looked at: where its new rights are narrower, the conversation gives it less.
        A client that is denied stays what it was.
        """
        verdict = self.identify(token)
        if isinstance(verdict, Identity):
            verdict = self._known_as(wire, verdict)
        if isinstance(verdict, Denied):
            self.denials[verdict.reason] += 1
            guest = self._guests.get(wire)
            if guest is not None:
                guest.last_words = verdict.words
        return verdict

    def _count(self, wire: Wire, scope: Mapping[str, Any]) -> bool:
        """Count a client by its address; return whether there is room."""
        address = self.address_of(scope)
        if address is None:
            return True
        if not self.limits.take(Kind.ADDRESS, address):
            self._crowded(address)
            return False
        self._guests[wire] = _Guest(address)
        return True

    def _crowded(self, address: str) -> None:
        """Tell the operator of an address that has too many; a crowd of them makes ever fewer log lines."""
        self.crowded += 1
        if self.crowded & (self.crowded - 1) == 0:
            cure = "a proxy is named in WS_GATEWAY_TRUSTED_PROXIES"
            log.warning("too many clients of one address", address=address, refused=self.crowded, cure=cure)

    def _await_token(self, wire: Wire) -> bool:
        if self.unidentified >= MAX_UNIDENTIFIED:
            self._lost(wire)
            self._hub.end(wire, Farewell.BUSY)
            return False
        guest = self._guests.setdefault(wire, _Guest())
        wire.identity = NOBODY
        self.unidentified += 1
        guest.unheard = self._loop.call_later(self._settings.auth_within_seconds, self._too_late, wire)
        return True

    def _known_as(self, wire: Wire, identity: Identity) -> Identity | Denied:
        if identity.subject is not None:
            guest = self._guests.get(wire) or _Guest()
            if guest.subject is not None and guest.subject != identity.subject:
                return _OTHER
            if guest.subject is None and not self.limits.take(Kind.SUBJECT, identity.subject):
                return _CROWDED
            guest.subject = identity.subject
            self._guests[wire] = guest
            self._heard(guest)
        if identity.expires_at is not None:
            self._stays.note(wire, identity.expires_at)
        wire.identity = identity
        return identity

    def _heard(self, guest: _Guest) -> None:
        """The client has said who it is, or is gone."""
        if guest.unheard is not None:
            guest.unheard.cancel()
            guest.unheard = None
            self.unidentified -= 1

    # Out.

    def _refuse(self, wire: Wire, denied: Denied) -> None:
        self.denials[denied.reason] += 1
        self._lost(wire)
        reason = _FAREWELLS.get(denied.reason, Farewell.UNAUTHENTICATED)
        retried = reason in (Farewell.KEYLESS, Farewell.CROWDED)  # whose usual words say when
        self._hub.end(wire, reason, None if retried else denied.words)

    def _too_late(self, wire: Wire) -> None:
        """A client has not said in time who it is."""
        self.denials[Untrusted.MISSING] += 1
        words = self._guests[wire].last_words
        self._lost(wire)
        self._hub.end(wire, Farewell.UNAUTHENTICATED, words)

    def _lost(self, wire: Wire) -> None:
        """Keep nothing of a client that is gone, or on its way."""
        self._stays.forget(wire)
        guest = self._guests.pop(wire, None)
        if guest is None:
            return
        self._heard(guest)
        for kind, key in ((Kind.ADDRESS, guest.address), (Kind.SUBJECT, guest.subject)):
            if key is not None:
                self.limits.give_back(kind, key)
