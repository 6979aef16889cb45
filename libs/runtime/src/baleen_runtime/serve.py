"""Runs an ASGI application until told to stop: the caller owns signals, the port may be 0."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import structlog
import uvicorn

from baleen_runtime.errors import PortBusy
from baleen_runtime.request_head import BoundedHead

log = structlog.get_logger(__name__)

BACKLOG: Final = 4_096
"""Connections that may wait to be accepted; whoever is one too many asks again after seconds."""


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: whoever runs the service decides when it ends."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen_on(
    host: str, port: int, *, variable: str = "the port setting", shared: bool = False
) -> socket.socket:
    """Return a bound, listening TCP socket.

    Args:
        host: a host name or address.
        port: 0 asks the kernel for a free one.
        variable: the setting to name when the port is taken.
        shared: whether other processes of ours listen there too; each gets its share of the connections.

    Raises:
        PortBusy: another program listens there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise PortBusy(host, port, variable) from None
        raise
    sock.setblocking(False)
    return sock


async def serve(
    app: Any,
    *,
    sockets: list[socket.socket],
    stop: asyncio.Event,
    on_listening: Callable[[int], None] | None = None,
    grace: float = 3.0,
    **uvicorn_options: Any,
) -> None:
    """Serve *app* on *sockets* until *stop* is set, then give open requests *grace* seconds to finish.

    Args:
        app: an ASGI application.
        sockets: from `listen_on`; closed on return.
        stop: set by the owner when it is time to leave.
        on_listening: called once with the first socket's port when connections are accepted.
        grace: whole seconds that open requests get after *stop*.
        uvicorn_options: passed to `uvicorn.Config`, such as `ws`.
    """
    options: dict[str, Any] = {
        "log_config": None,
        "access_log": False,
        "http": BoundedHead,
        "lifespan": "off",
        "backlog": BACKLOG,  # the server listens anew, with a smaller one of its own if nothing is said
        "server_header": False,
        "timeout_graceful_shutdown": max(1, round(grace)),
        **uvicorn_options,
    }
    server = _Server(uvicorn.Config(app, **options))
    port = sockets[0].getsockname()[1]
    serving = asyncio.create_task(server.serve(sockets=sockets), name="http")
    listening = asyncio.create_task(server.listening.wait(), name="http-listening")
    stopping = asyncio.create_task(stop.wait(), name="http-stopping")
    try:
        await asyncio.wait({listening, serving}, return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            log.info("listening", port=port)
            if on_listening:
                on_listening(port)
        await asyncio.wait({stopping, serving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        listening.cancel()
        stopping.cancel()
        server.should_exit = True
        await asyncio.shield(serving)
