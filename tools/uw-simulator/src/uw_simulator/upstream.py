"""The pretend upstream itself: who is connected, who hears what, and what was sent.

Records come in through `emit`; each is encoded once per name it is heard under and put into the outbox of
every listener. `flush` hands each outbox to its socket as one write. A reader that lags loses frames,
as upstream's do.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from uw_simulator.channels import envelope_head, joined_name, text_frame
from uw_simulator.faults import Faults, RestFault
from uw_simulator.limits import Plan, RequestLedger, SocketLedger, Violation
from uw_simulator.sessions import Session
from uw_simulator.settings import Settings


class Wire(Protocol):
    """The socket under a connection."""

    def write(self, data: bytes) -> None:
        """Send bytes, soon."""
        ...

    def backlog(self) -> int:
        """Return how many bytes wait because the reader does not read."""
        ...

    def hang_up(self, *, code: int | None) -> None:
        """Close with *code*, or without a word if None."""
        ...

    def freeze(self, frozen: bool) -> None:
        """Neither read nor answer any more, while the connection stays open; or thaw."""
        ...


@dataclass(slots=True, eq=False)
class Connection:
    """One open socket."""

    number: int
    account: Account
    wire: Wire
    silenced: bool
    """By the plan: a socket too many hears no data."""
    session: Session = field(default_factory=Session)
    outbox: list[bytes] = field(default_factory=list)
    muted: bool = False
    half_open: bool = False
    sent: int = 0
    dropped: int = 0


@dataclass(slots=True, eq=False)
class Account:
    """What belongs to one token: its scopes, its ledgers."""

    label: str
    advanced: bool
    sockets: SocketLedger
    requests: RequestLedger


class Upstream:
    """All state of the simulator. Single-threaded; the loop's `call_later` is handed in at the edges."""

    def __init__(self, settings: Settings, chance: Random) -> None:
        self.settings = settings
        self.chance = chance
        self.plan = Plan(
            sockets=settings.max_sockets, mute_second=settings.mute_second, joins=settings.max_joins,
            in_flight=settings.in_flight, per_minute=settings.per_minute, per_day=settings.per_day,
        )  # fmt: skip
        self.faults = Faults()
        self.rest_fault = RestFault()
        self.violations: Counter[Violation] = Counter()
        self.sent: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.connections: dict[int, Connection] = {}
        self.paused = False
        self._rooms: dict[str, list[Connection]] = {}
        self._heads: dict[str, bytes] = {}
        self._dirty: set[Connection] = set()
        self._numbers = 0
        self._accounts = {
            settings.token.get_secret_value(): self._account("full", advanced=True),
            settings.basic_token.get_secret_value(): self._account("basic", advanced=False),
        }

    def account(self, token: str) -> Account | None:
        """Return whose token that is, in constant time."""
        found = None
        for known, account in self._accounts.items():
            if hmac.compare_digest(known.encode(), token.encode()):
                found = account
        return found

    def accounts(self) -> list[Account]:
        """Return all accounts."""
        return list(self._accounts.values())

    # --- connections

    def connect(self, account: Account, wire: Wire, *, silenced: bool) -> Connection:
        """Register an accepted socket."""
        self._numbers += 1
        connection = Connection(self._numbers, account, wire, silenced)
        self.connections[connection.number] = connection
        return connection

    def disconnect(self, connection: Connection) -> None:
        """Forget a socket and everything it joined."""
        if self.connections.pop(connection.number, None) is None:
            return
        for name in list(self._rooms):
            self.leave(connection, name)
        self._dirty.discard(connection)

    def join(self, connection: Connection, name: str) -> None:
        """Let a connection hear what is said under *name* from now on."""
        room = self._rooms.setdefault(name, [])
        if connection.number in self.connections and connection not in room:
            room.append(connection)

    def leave(self, connection: Connection, name: str) -> None:
        """Let it hear no more of *name*."""
        room = self._rooms.get(name)
        if room and connection in room:
            room.remove(connection)
        if not room:
            self._rooms.pop(name, None)

    # --- what is said

    def wants(self, channel: str, ticker: str | None = None) -> bool:
        """Tell whether anybody would hear a record of *channel* about *ticker*."""
        return channel in self._rooms or (ticker is not None and f"{channel}:{ticker}" in self._rooms)

    def emit(self, channel: str, ticker: str | None, payload: bytes) -> None:
        """Tell everybody who joined *channel*, for all or for *ticker*. Heard twice by who joined both."""
        rooms = self._rooms
        if channel in rooms:
            self._say(channel, rooms[channel], payload)
        if ticker:
            name = f"{channel}:{ticker}"
            if name in rooms and joined_name(channel, ticker):
                self._say(name, rooms[name], payload)

    def say_raw(self, frame: bytes, *, to: list[Connection]) -> None:
        """Put a finished WebSocket frame into outboxes, whatever is in it."""
        for connection in to:
            connection.outbox.append(frame)
            self._dirty.add(connection)

    def listeners(self, name: str) -> list[Connection]:
        """Return who hears *name*."""
        return list(self._rooms.get(name, ()))

    def flush(self) -> None:
        """Hand every outbox to its socket, or drop it where the reader lags."""
        for connection in self._dirty:
            outbox, connection.outbox = connection.outbox, []
            if connection.half_open:
                continue
            if connection.wire.backlog() > self.settings.backlog_bytes:
                connection.dropped += len(outbox)
                self.counts["dropped_for_slow_reader"] += len(outbox)
                continue
            connection.sent += len(outbox)
            connection.wire.write(b"".join(outbox))
        self._dirty.clear()

    def _say(self, name: str, room: list[Connection], payload: bytes) -> None:
        head = self._heads.get(name)
        if head is None:
            head = self._heads[name] = envelope_head(name)
        frame = text_frame(b"".join((head, payload, b"]")))
        times = 2 if self.faults.duplicate and self.faults.spend("duplicate") else 1
        lossy = self.faults.drop_share
        heard = 0
        for connection in room:
            if connection.silenced or connection.muted or connection.half_open:
                continue
            if lossy and self.chance.random() < lossy:
                connection.dropped += 1
                self.counts["dropped_by_lag"] += 1
                continue
            for _ in range(times):
                connection.outbox.append(frame)
            self._dirty.add(connection)
            heard += times
        self.sent[name] += heard

    # --- for tests

    def reset(self) -> None:
        """Disarm faults, forget violations and counters, put the plan's figures back; connections stay."""
        settings = self.settings
        fresh = Upstream(settings, self.chance)
        for name in Plan.__slots__:
            setattr(self.plan, name, getattr(fresh.plan, name))
        self.faults, self.rest_fault, self.paused = fresh.faults, fresh.rest_fault, False
        self.violations.clear()
        self.sent.clear()
        self.counts.clear()
        for account in self.accounts():
            account.sockets.peak = account.sockets.open
            account.requests.peak_flying = account.requests.flying
            account.requests.minute_count = account.requests.day_count = 0
        for connection in self.connections.values():
            connection.muted = False
            if connection.half_open:
                connection.half_open = False
                connection.wire.freeze(frozen=False)

    def _account(self, label: str, *, advanced: bool) -> Account:
        return Account(
            label,
            advanced,
            SocketLedger(self.plan, self.violations),
            RequestLedger(self.plan, self.violations),
        )


Later = Callable[[float, Callable[[], None]], object]
"""`loop.call_later` without arguments."""
