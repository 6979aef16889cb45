"""One client's connection in the hub: ready frames out, no task and no queue.

What it is sent is written to the transport as it stands. What comes from it is heard by its two kinds:
`two_way` is a WebSocket, `one_way` an answer to an HTTP request that goes on as long as the client stays.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from typing import TYPE_CHECKING, Any, ClassVar, Final

from ws_gateway.doors.rights import ANYBODY
from ws_gateway.wire.speaker import Speaker

if TYPE_CHECKING:
    from ws_gateway.wire.keeper import Keeper

_CLOSE_WITHIN: Final = 5.0
_KERNEL_BUFFER: Final = 128 * 1024
"""Bytes the kernel keeps for one client; its own choice, several MiB, would long hide a slow client."""
_ID_BYTES: Final = 5


class Wire(Speaker):
    """One client's connection after it was accepted.

    Attributes:
        connected_at: when, in Unix seconds.
        fell_at: when it last fell behind, in Unix seconds; 0 for never.
        fell_since: of each stream of which it was then dropped something, the number after which it was.
        hears_on: whether it is heard while it is shown a snapshot; for who cannot ask for another one.
        id: a word for it that says nothing else.
        identity: who it is, and what it may do.
        moved_at: when its full socket was last seen to take anything, in seconds of the hub's clock.
        number: how many clients came before it.
        patient_from: no message that waits counts as older than this, in seconds of the hub's clock.
        said: messages it was given on lanes it has left.
        counted_from: how many messages its pen had been given when it came.
        silent_rounds: how often it was pinged since it said anything.
        speaks: whether the client can say anything, and answer a ping.
        times_behind: how often it fell behind.
    """

    __slots__ = (
        "_closer",
        "_connections",
        "_loop",
        "connected_at",
        "counted_from",
        "fell_at",
        "fell_since",
        "hears_on",
        "id",
        "identity",
        "moved_at",
        "number",
        "patient_from",
        "said",
        "silent_rounds",
        "times_behind",
    )  # fmt: skip

    speaks: ClassVar[bool] = True

    def __init__(self, keeper: Keeper, session: Any) -> None:
        super().__init__(keeper, session)
        self._connections: set[Any]
        self._loop: asyncio.AbstractEventLoop
        self._closer: asyncio.TimerHandle | None = None
        self.hears_on = False
        self.id = secrets.token_hex(_ID_BYTES)
        self.identity = ANYBODY
        self.number = 0
        self.connected_at = 0.0
        self.said = 0
        self.counted_from = 0
        self.silent_rounds = 0
        self.moved_at = self.patient_from = 0.0
        self.times_behind = 0
        self.fell_at = 0.0
        self.fell_since: dict[str, int] | None = None

    def _take(self, transport: asyncio.Transport, connections: set[Any]) -> None:
        """Take over an accepted connection; any byte that stays unsent is then known at once."""
        self._loop = asyncio.get_running_loop()
        self.transport, self.write = transport, transport.write
        self._connections = connections
        connections.add(self)
        transport.set_write_buffer_limits(high=0)
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)
        transport.set_protocol(self)

    def _read_all(self) -> None:
        self.keeper.drained(self)

    def _overflowed(self) -> None:
        self.keeper.overflowed(self)

    # How it ends.

    def close(self, code: int, reason: str, last: bytes = b"") -> None:
        """End the conversation with *last*, a code and a reason; what waits is dropped."""
        raise NotImplementedError

    def shutdown(self) -> None:
        """The server is leaving and waits no longer (called by uvicorn)."""
        self.close(1012, "leaving")
        self.transport.close()

    def eof_received(self) -> None:
        """The client closed its side: the transport closes itself, once what was written is gone."""
        self.keeper.parted(self)
        self._let_go()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the interface of asyncio
        """The connection is gone."""
        self._let_go()
        if self._closer is not None:
            self._closer.cancel()
        self._connections.discard(self)
        self.keeper.lost(self)

    def _let_go(self) -> None:
        """Say nothing more but goodbye, for which the client has only a while."""
        self.closing = True
        self.backlog.clear()
        if self._closer is None:
            self._closer = self._loop.call_later(_CLOSE_WITHIN, self.transport.abort)
