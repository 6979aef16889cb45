"""Three ways from the bus to WebSocket clients: the gateway, nats-server's own listener, the seeds' way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Nats, Process


@dataclass(frozen=True)
class Contender:
    """A running server to measure.

    Attributes:
        name: how the table calls it.
        process: the process that fans out.
        swarm: arguments that make the swarm speak its language.
    """

    name: str
    process: Process
    swarm: tuple[str, ...]


def gateway(nats: Nats, directory: Path) -> Contender:
    """The gateway itself, spoken to in its native protocol."""
    process = Process.python(
        "gateway",
        "-m",
        "ws_gateway",
        directory=directory,
        environ={
            "BALEEN_NATS_URL": nats.url,
            "BALEEN_LOG_FORMAT": "json",
            "WS_GATEWAY_PORT": "0",
            "WS_GATEWAY_HANDSHAKES_PER_SECOND": "0",  # as the others: joining is not measured
        },
    )
    try:
        port = process.logged("listening")["port"]
    except BaseException:
        process.end()
        raise
    subscribe = '{"op":"subscribe","id":"1","topics":@TOPICS@,"snapshot":false}'
    return Contender(
        "gateway",
        process,
        (
            f"--url=ws://127.0.0.1:{port}/v1/stream",
            "--subprotocol=baleen.v1",
            f"--send={subscribe}",
            '--ready-when="op":"subscribed"',
        ),
    )


def listener(nats: Nats, directory: Path) -> Contender:
    """nats-server's WebSocket listener; its clients take messages without headers, the cheapest way."""
    _ = directory
    hello = 'CONNECT {"verbose":false,"pedantic":false,"protocol":1,"echo":false}\r\n@SUBS@PING\r\n'
    return Contender(
        "nats listener",
        nats,
        ("--nats", f"--url={nats.websocket_url}/", f"--send={hello}", "--ready-when=PONG"),
    )


def seeds_way(nats: Nats, directory: Path) -> Contender:
    """One ``await send_text`` per client and message."""
    process = Process.python("seeds-way", "-m", "bench.seeds_way", "--url", nats.url, directory=directory)
    try:
        port = process.hear()["listening"]
    except BaseException:
        process.end()
        raise
    return Contender(
        "seeds' way",
        process,
        (f"--url=ws://127.0.0.1:{port}/ws", "--send=@TOPICS@", "--ready-when=connected"),
    )


CONTENDERS: dict[str, Callable[[Nats, Path], Contender]] = {
    "gateway": gateway,
    "listener": listener,
    "seeds": seeds_way,
}
