"""The pretend upstream itself: who is connected, who hears what, and what was sent.

Records come in through `emit`; each is encoded once per name it is heard under and put into the outbox of
every listener. `flush` hands each outbox to its socket as one write. A reader that lags loses frames,
as upstream's do.
"""

from __future__ import annotations

import hmac
import time
from collections import Counter, deque
from collections.abc import Callable
from random import Random
from typing import Any

from uw_simulator.book import Book
from uw_simulator.channels import envelope_head, joined_name, text_frame
from uw_simulator.connections import Account, Connection, Wire
from uw_simulator.faults import Faults, RestFault
from uw_simulator.journal import Journal
from uw_simulator.limits import Plan, RequestLedger, SocketLedger
from uw_simulator.offences import Offences
from uw_simulator.settings import Settings

_PAST_SOCKETS = 1_000
_JOINS_TAKE = 1.0  # seconds, for a client that joins many channels one after the other


class Upstream:
    """All state of the simulator. Single-threaded; the loop's `call_later` is handed in at the edges.

    Args:
        settings: what to be.
        chance: decides delays and losses.
        book: where REST reads what was said.
        journal: where it is written down, if that is asked for.
        clock: tells epoch seconds.
    """

    def __init__(
        self, settings: Settings, chance: Random, *, book: Book | None = None,
        journal: Journal | None = None, clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.settings = settings
        self.chance = chance
        self.book = book or Book()
        self.journal = journal
        self.clock = clock
        self.plan = Plan(
            sockets=settings.max_sockets, mute_second=settings.mute_second, over_code=settings.over_code,
            joins=settings.max_joins, in_flight=settings.in_flight, per_minute=settings.per_minute,
            per_day=settings.per_day,
        )  # fmt: skip
        self.faults = Faults()
        self.rest_fault = RestFault()
        self.offences = Offences()
        self.blocked_agents = settings.blocked_agents
        self.sent: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.connections: dict[int, Connection] = {}
        self.past: deque[dict[str, Any]] = deque(maxlen=_PAST_SOCKETS)
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

    def connect(
        self, account: Account, wire: Wire, *, silenced: bool, peer: str = "", agent: str = ""
    ) -> Connection:
        """Register an accepted socket."""
        self._numbers += 1
        connection = Connection(self._numbers, account, wire, silenced, peer, agent, self.clock())
        self.connections[connection.number] = connection
        return connection

    def disconnect(self, connection: Connection, why: str = "") -> None:
        """Forget everything a socket joined; what it was is remembered for a while."""
        if self.connections.pop(connection.number, None) is None:
            return
        self.past.append({**connection.told(), "until": self.clock(), "why": why})
        for name in list(self._rooms):
            self.leave(connection, name)
        self._dirty.discard(connection)

    def join(self, connection: Connection, name: str) -> None:
        """Let a connection hear what is said under *name* from now on."""
        room = self._rooms.setdefault(name, [])
        if connection.number in self.connections and connection not in room:
            room.append(connection)
            connection.joined_at[name] = self.clock()

    def leave(self, connection: Connection, name: str) -> None:
        """Let it hear no more of *name*."""
        room = self._rooms.get(name)
        if room and connection in room:
            room.remove(connection)
            if connection.number in self.connections:
                connection.joined_at.pop(name, None)
        if not room:
            self._rooms.pop(name, None)

    # --- what is said

    def wants(self, channel: str, ticker: str | None = None) -> bool:
        """Tell whether anybody would hear a record of *channel* about *ticker*."""
        return channel in self._rooms or (ticker is not None and f"{channel}:{ticker}" in self._rooms)

    def emit(self, channel: str, ticker: str | None, payload: bytes) -> None:
        """Tell everybody who joined *channel*, for all or for *ticker*. Heard twice by who joined both."""
        rooms = self._rooms
        heard: list[int] = []
        if channel in rooms:
            heard = self._say(channel, rooms[channel], payload)
        if ticker:
            name = f"{channel}:{ticker}"
            if name in rooms and joined_name(channel, ticker):
                heard += self._say(name, rooms[name], payload)
        if channel in self.book.twins:
            self.book.hear(channel, payload, self.clock())
        if self.journal is not None:
            self.journal.note(self.clock(), channel, ticker, payload, heard)

    def listened_to(self, now: float) -> bool:
        """Tell whether somebody joined a while ago, so that the rest of its joins have probably come."""
        since = [at for connection in self.connections.values() for at in connection.joined_at.values()]
        return bool(since) and now - min(since) >= _JOINS_TAKE

    def say_raw(self, frame: bytes, *, to: list[Connection]) -> None:
        """Put a finished WebSocket frame into the outboxes of who is still there, whatever is in it."""
        for connection in to:
            if connection.number not in self.connections:
                continue  # cut off since; its transport takes nothing more
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
                if self.journal is not None:
                    self.journal.lost(self.clock(), connection.number, len(outbox))
                continue
            connection.sent += len(outbox)
            connection.wire.write(b"".join(outbox))
        self._dirty.clear()
        if self.journal is not None:
            self.journal.write()

    def _say(self, name: str, room: list[Connection], payload: bytes) -> list[int]:
        """Put a record into the outboxes of a room; return who gets it, twice if twice."""
        heard: list[int] = []
        hushed = self.faults.hushed
        if hushed and (name in hushed or name.partition(":")[0] in hushed):
            return heard
        head = self._heads.get(name)
        if head is None:
            head = self._heads[name] = envelope_head(name)
        frame = text_frame(b"".join((head, payload, b"]")))
        times = 2 if self.faults.duplicate and self.faults.spend("duplicate") else 1
        lossy = self.faults.drop_share
        for connection in room:
            if connection.silenced or connection.muted or connection.half_open:
                continue
            if lossy and self.chance.random() < lossy:
                connection.dropped += 1
                self.counts["dropped_by_lag"] += 1
                continue
            for _ in range(times):
                connection.outbox.append(frame)
                heard.append(connection.number)
            self._dirty.add(connection)
        self.sent[name] += len(heard)
        return heard

    # --- for tests

    def reset(self) -> None:
        """Disarm faults, forget offences and counters, put the plan's figures back; connections stay."""
        fresh = Upstream(self.settings, self.chance, book=self.book)
        for name in Plan.__slots__:
            setattr(self.plan, name, getattr(fresh.plan, name))
        self.faults, self.rest_fault, self.paused = fresh.faults, fresh.rest_fault, False
        self.blocked_agents = self.settings.blocked_agents
        self.offences.clear()
        self.past.clear()
        self.sent.clear()
        self.counts.clear()
        for account in self.accounts():
            account.sockets.peak, account.sockets.peak_at = account.sockets.open, self.clock()
            account.requests.forget()
        for connection in self.connections.values():
            connection.muted = False
            if connection.half_open:
                connection.half_open = False
                connection.wire.freeze(frozen=False)

    def _account(self, label: str, *, advanced: bool) -> Account:
        return Account(
            label, advanced, SocketLedger(self.plan, self.offences), RequestLedger(self.plan, self.offences)
        )
