"""Which ports a run uses, which of them are taken, and by whom."""

from __future__ import annotations

import socket
from collections.abc import Collection, Mapping
from dataclasses import astuple, fields, replace

import httpx

from baleen.errors import CannotRun, PortIsBusy
from baleen.plan import LOOPBACK, Ports

SEED_PORTS = (5000, 8765)
"""Where clients with a fixed port expect the gateway."""


OWNERS: Mapping[str, tuple[str, str]] = {
    "nats": ("nats-server", "NATS_PORT"),
    "monitor": ("nats-server's monitoring", "NATS_MONITOR_PORT"),
    "gateway": ("ws-gateway", "WS_GATEWAY_PORT"),
    "ingest": ("uw-ingest", "UW_INGEST_PORT"),
    "bridge": ("alert-bridge", "ALERT_BRIDGE_PORT"),
    "simulator": ("uw-simulator", "UW_SIMULATOR_PORT"),
    "discord": ("discord-simulator", "DISCORD_SIMULATOR_PORT"),
}
"""Per field of `Ports`: who listens there, and the variable that moves it."""


def wanted_ports(settings: Mapping[str, str]) -> Ports:
    """Return the usual ports, moved where *settings* say so.

    Raises:
        CannotRun: a port is no number between 1 and 65535.
    """
    ports = Ports()
    for field, (_, variable) in OWNERS.items():
        if text := settings.get(variable, "").strip():
            if not text.isdecimal() or not 1 <= int(text) <= 65535:  # noqa: PLR2004 - the range of TCP ports
                raise CannotRun(f"{variable} is {text!r}, which is no port: give a number from 1 to 65535.")
            ports = replace(ports, **{field: int(text)})
    return ports


def seed_ports(ports: Ports, settings: Mapping[str, str]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the ports of `SEED_PORTS` that the gateway can have beside its own, and those that others have.

    Who said in *settings* where the gateway also listens gets that, and nothing of ours.
    """
    if "WS_GATEWAY_ALSO_LISTEN" in settings:
        return (), ()
    own = astuple(ports)
    free = tuple(port for port in SEED_PORTS if port not in own and is_free(port))
    return free, tuple(port for port in SEED_PORTS if port not in free and port != ports.gateway)


def free_ports() -> Ports:
    """Return ports that nobody uses now; all are held together, so that no two are the same."""
    held = [socket.create_server((LOOPBACK, 0)) for _ in fields(Ports)]
    numbers = [sock.getsockname()[1] for sock in held]
    for sock in held:
        sock.close()
    return Ports(*numbers)


def is_free(port: int) -> bool:
    """Tell whether a server could listen on *port* now."""
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError:
        return False
    return True


def require_free(ports: Ports, *, idle: Collection[str] = ()) -> None:
    """Raise `PortIsBusy` for the first port that is taken; those of *idle* fields are not looked at."""
    for field, (owner, variable) in OWNERS.items():
        port = getattr(ports, field)
        if field not in idle and not is_free(port):
            raise PortIsBusy(port, owner, variable, _listener(port))


def _listener(port: int) -> str:
    """Name the program on *port* if it is one of ours: then another run is what stands in the way."""
    try:
        service = httpx.get(f"http://{LOOPBACK}:{port}/livez", timeout=1, trust_env=False).json()["service"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return f"another program (`lsof -i :{port}` names it)"
    return f"another run of Baleen ({service}; `make up` or `docker compose up` in a second terminal?)"
