"""Opens many WebSocket clients at a pace a server can bear: connect, upgrade, say the first frames, wait."""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import time
from collections import Counter as Multiset
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from bench import handshake
from bench.counting import Tally
from bench.stamp import symbol

_IN_FLIGHT = 64  # handshakes at a time: polite to a listen queue
_TIMED = 8  # one client in so many has the oldest event of its reads timed
_PER_ADDRESS = 20_000  # clients per local address: fewer than the ports one address has


@dataclass(frozen=True)
class Wishes:
    """How clients are made.

    Attributes:
        url: where they connect.
        subprotocol: what they offer, if anything.
        send: frames to send after the upgrade; ``@TOPICS@`` stands for the client's topics, as a JSON list,
            ``@SUBS@`` for the same as lines of the NATS protocol.
        topic: a topic with ``{symbol}`` in it.
        tickers: how many tickers the publisher goes round.
        watch: how many of them one client wants; 0 is all of them, through a wildcard.
        ready_when: text whose arrival makes a client ready; empty: the upgrade itself does.
        binary: whether the frames to send are binary.
        per_second: connects a second.
        receive_buffer: SO_RCVBUF in bytes; 0 leaves the system's choice.
    """

    url: str
    subprotocol: str | None
    send: tuple[str, ...]
    topic: str
    tickers: int
    watch: int
    ready_when: bytes
    binary: bool
    per_second: float
    receive_buffer: int

    def hears(self, number: int) -> Callable[[int], bool] | None:
        """What client *number* wants, asked by ticker number; None when it wants all."""
        if not self.watch:
            return None
        spread = self.tickers // self.watch
        return lambda ticker: (ticker - number) % spread == 0

    def frames(self, number: int) -> bytes:
        """All bytes that client *number* sends after the upgrade."""
        hears = self.hears(number)
        names = [symbol(n) for n in range(self.tickers) if hears(n)] if hears else ["*"]
        topics = [self.topic.replace("{symbol}", name) for name in names]
        subs = "".join(f"SUB {topic} {sid}\r\n" for sid, topic in enumerate(topics, 1))
        opcode = handshake.BINARY if self.binary else handshake.TEXT
        return b"".join(
            handshake.masked(
                opcode, text.replace("@TOPICS@", json.dumps(topics)).replace("@SUBS@", subs).encode()
            )
            for text in self.send
        )


class Stage(Enum):
    """How far a client has come."""

    CONNECTING = 1
    UPGRADING = 2
    WAITING = 3


class Client:
    """One WebSocket connection of the swarm."""

    __slots__ = ("number", "receive", "received", "socket", "stage", "tally")

    def __init__(self, number: int, connection: socket.socket, tally: Tally) -> None:
        self.number = number
        self.socket = connection
        self.receive = connection.recv_into
        self.received = b""  # bytes not yet understood, until it is ready
        self.stage = Stage.CONNECTING
        self.tally = tally


class Joining:
    """The clients on their way in.

    Args:
        wishes: how clients are made.
        numbers: the clients to open.
        strict: whether a client is one of the strictly read sample.
        epoll: where sockets are registered; a ready client stays registered for reading.
        on_ready: given each client that is ready, with bytes already received left in ``received``.
    """

    def __init__(
        self,
        wishes: Wishes,
        numbers: range,
        strict: Callable[[int], bool],
        epoll: select.epoll,
        on_ready: Callable[[Client], None],
    ) -> None:
        self._wishes = wishes
        self._waiting = deque(numbers)
        self._strict = strict
        self._epoll = epoll
        self._on_ready = on_ready
        self._open: dict[int, Client] = {}
        self._next_open = time.monotonic()
        self.refusals: Multiset[str] = Multiset()

    @property
    def done(self) -> bool:
        """Whether everybody is in."""
        return not self._waiting and not self._open

    def open_some(self) -> None:
        """Begin as many connects as the pace allows now."""
        now = time.monotonic()
        while self._waiting and len(self._open) < _IN_FLIGHT and self._next_open <= now:
            self._next_open = max(self._next_open, now - 0.1) + 1 / self._wishes.per_second
            self._connect(self._waiting.popleft())

    def _connect(self, number: int) -> None:
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.setblocking(False)
        if self._wishes.receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._wishes.receive_buffer)
        if number >= _PER_ADDRESS:
            connection.bind((f"127.0.0.{1 + number // _PER_ADDRESS}", 0))
        code = connection.connect_ex(handshake.address(self._wishes.url))
        if code not in {0, errno.EINPROGRESS}:
            raise OSError(code, os.strerror(code))
        tally = Tally(strict=self._strict(number), timed=number % _TIMED == 0)
        self._open[connection.fileno()] = Client(number, connection, tally)
        self._epoll.register(connection.fileno(), select.EPOLLOUT)

    def step(self, fd: int) -> bool:
        """Take one event of *fd*; False when it is not one of those on their way in."""
        client = self._open.get(fd)
        if client is None:
            return False
        try:
            if client.stage is Stage.CONNECTING:
                self._say_hello(client, fd)
            else:
                self._hear(client, fd)
        except BlockingIOError:
            pass
        except (OSError, handshake.HandshakeRefusedError) as error:
            self._refused(client, fd, str(error))
        return True

    def _say_hello(self, client: Client, fd: int) -> None:
        error = client.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.socket.sendall(handshake.upgrade_request(self._wishes.url, self._wishes.subprotocol))
        client.stage = Stage.UPGRADING
        self._epoll.modify(fd, select.EPOLLIN)

    def _hear(self, client: Client, fd: int) -> None:
        chunk = client.socket.recv(65536)
        if not chunk:
            raise handshake.HandshakeRefusedError(f"closed while {client.stage.name.lower()}")
        client.received += chunk
        if client.stage is Stage.UPGRADING:
            rest = handshake.take_upgrade_answer(client.received)
            if rest is None:
                return
            client.received = rest
            client.stage = Stage.WAITING
            if first := self._wishes.frames(client.number):
                client.socket.sendall(first)
        if self._wishes.ready_when in client.received:
            del self._open[fd]
            self._on_ready(client)

    def _refused(self, client: Client, fd: int, why: str) -> None:
        """Count it, and let the same client try again later."""
        self.refusals[why] += 1
        del self._open[fd]
        self._epoll.unregister(fd)
        client.socket.close()
        self._waiting.append(client.number)
        self._next_open = time.monotonic() + 0.05
