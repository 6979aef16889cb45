"""The ports of the gateway: opened by one process, or held by one and opened by several."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack

from baleen_runtime.errors import PortBusy
from baleen_runtime.serve import listen_on
from ws_gateway.settings import Settings


def listen_on_all(settings: Settings) -> list[socket.socket]:
    """Return the sockets of all our ports, the first port's first, the operators' last, or none at all.

    Raises:
        PortBusy: another program has one of them; the error names the setting it comes from.
    """
    with ExitStack() as on_failure:
        sockets = [
            on_failure.enter_context(listen_on(settings.host, port, variable=variable))
            for variable, port in _ports_of(settings)
        ]
        on_failure.pop_all()
    return sockets


def reserve_all(settings: Settings) -> list[socket.socket]:
    """Hold all our ports for our own processes, without listening.

    Raises:
        PortBusy: another program has one of them, be it a gateway of several workers too.
    """
    with ExitStack() as on_failure:
        sockets = [
            on_failure.enter_context(_reserve(settings.host, port, variable))
            for variable, port in _ports_of(settings)
        ]
        on_failure.pop_all()
    return sockets


def _reserve(host: str, port: int, variable: str) -> socket.socket:
    """Bind a socket that nobody listens on.

    It is bound alone and shared only then: whoever binds it shared from the start would get a port that
    another gateway shares with its own workers.
    """
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise PortBusy(host, port, variable) from None
        raise
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return sock


def _ports_of(settings: Settings) -> Iterator[tuple[str, int]]:
    yield "WS_GATEWAY_PORT", settings.port
    for port in settings.also_listen:
        yield "WS_GATEWAY_ALSO_LISTEN", port
    if settings.admin_port is not None:
        yield "WS_GATEWAY_ADMIN_PORT", settings.admin_port
