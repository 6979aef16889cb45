"""A server that only pumps ready frames: the partner with which the generator itself is measured.

It stamps one message after another, and every few milliseconds writes the joined frames of that time to
every client: the cheapest way a server can fan out, so that what is measured is the swarm.
``python -m bench.pump`` prints the generator's frames per CPU second.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import socket
import sys
import threading
import time
from subprocess import PIPE, Popen
from typing import Any, Self

from bench import handshake
from bench.stamp import stamp, symbol
from bench.swarm import raise_file_limit

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def message(sequence: int, monotonic_ns: int, *, tickers: int, size: int) -> bytes:
    """A JSON body of *size* bytes that carries a stamp."""
    body = f'{{"symbol":"{symbol(sequence % tickers)}","note":"{stamp(sequence, monotonic_ns)}","pad":""}}'
    return (body[:-2] + "x" * (size - len(body)) + body[-2:]).encode()


class Pump:
    """Accepts *clients* connections on a port of its own, then pumps from a thread until closed.

    Args:
        clients: how many connections to wait for.
        rate: messages a second to each.
        size: bytes of a message.
        flush_seconds: time between two writes to one client.
        drop: sequence numbers to leave out (for tests of the generator).
    """

    def __init__(
        self,
        *,
        clients: int,
        rate: float,
        size: int = 290,
        flush_seconds: float = 0.02,
        drop: frozenset[int] = frozenset(),
    ) -> None:
        self._clients, self._rate, self._size, self._flush, self._drop = (
            clients,
            rate,
            size,
            flush_seconds,
            drop,
        )
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pump", daemon=True)
        self.offered = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        self._listener.settimeout(10)
        sockets = []
        try:
            for _ in range(self._clients):
                connection, _ = self._listener.accept()
                connection.sendall(_accept(connection.recv(4096)))
                sockets.append(connection)
            self._pump(sockets)
        except (TimeoutError, ConnectionError):
            pass  # the swarm ended first
        finally:
            for connection in sockets:
                connection.close()

    def _pump(self, sockets: list[socket.socket]) -> None:
        sent, began = 0, time.monotonic()
        while not self._stop.wait(self._flush):
            due = int((time.monotonic() - began) * self._rate)
            now = time.monotonic_ns()
            frames = [
                handshake.server_frame(handshake.TEXT, message(n, now, tickers=50, size=self._size))
                for n in range(sent, due)
                if n not in self._drop
            ]
            sent = due
            joined = b"".join(frames)
            for connection in sockets:
                connection.sendall(joined)
            self.offered = sent


def _accept(request: bytes) -> bytes:
    key = request.split(b"Sec-WebSocket-Key: ", 1)[1].split(b"\r\n", 1)[0]
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())  # noqa: S324 - the protocol's own hash
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def measure(*, clients: int, rate: float, seconds: float, flush_seconds: float) -> dict[str, Any]:
    """Run pump and swarm against each other; the swarm's figures."""
    with Pump(clients=clients, rate=rate, flush_seconds=flush_seconds) as pump:
        command = [sys.executable, "-m", "bench.swarm", "--url", pump.url, "--clients", str(clients)]
        with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as swarm:
            assert swarm.stdin is not None and swarm.stdout is not None  # noqa: S101, PT018 - for the type checker
            ready = json.loads(swarm.stdout.readline())
            begin = time.monotonic() + 1
            swarm.stdin.write(json.dumps({"measure": [begin, begin + seconds]}) + "\n")
            swarm.stdin.flush()
            result: dict[str, Any] = json.loads(swarm.stdout.readline())["result"]
            swarm.stdin.close()
    result["connect_seconds"] = ready["connect_seconds"]
    return result


def main() -> None:
    """Print what the generator can take."""
    parser = argparse.ArgumentParser(prog="python -m bench.pump", description="Measure the generator itself.")
    parser.add_argument("--clients", type=int, default=5000)
    parser.add_argument("--rate", type=float, default=400)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--flush-seconds", type=float, default=0.02)
    options = parser.parse_args()
    raise_file_limit()
    result = measure(**vars(options))
    rate, share = result["events_per_second"], result["cpu_share"]
    print(json.dumps(result, indent=2))
    print(f"{rate:,.0f} frames/s at {share:.0%} of a core: {rate / share:,.0f} a core")


if __name__ == "__main__":
    main()
