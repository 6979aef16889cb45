"""Publishes stamped contract messages at an even rate, at little cost; a process of its own.

What it sends is what a ``Publisher`` sends, byte for byte but for stamp and id: one real command a ticker is
made beforehand, and each message is a copy of it with its own stamp and id. So the processors that it shares
with what is measured are left to that. It says ten times a second, in lines of JSON, how many messages it has
sent and how many the bus has acknowledged, and ends with its standard input.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import sys
import time
from datetime import UTC, datetime
from urllib.parse import urlsplit

from bench.stamp import stamp, symbol

from baleen_bus.envelope import Envelopes
from baleen_contracts.fields import Json
from baleen_contracts.signals import Signal

_LONGEST_PAUSE = 0.01
_SHORTEST_PAUSE = 0.0005
_REPORT_SECONDS = 0.1
_IN_FLIGHT = 4_096
_INBOX = "_INBOX.bench"
_CONNECT = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, "lang": "bench"}


def signal(number: int, note: str, *, size: int) -> Signal:
    """A signal of ticker *number* that carries *note*; its body is *size* bytes long."""
    now = datetime.now(UTC)
    now = now.replace(microsecond=now.microsecond or 1)  # whole seconds are written shorter
    body: Json = {"note": note, "text": "x" * (size - _UNPADDED)}
    return Signal(occurred_at=now, received_at=now, symbol=symbol(number), signal=body)


_BLANK = stamp(0, 0)
_UNPADDED = 0  # length of a body without padding; measured once on a real one
_UNPADDED = len(signal(0, _BLANK, size=0).to_json())


class Form:
    """The command that publishes a message of one ticker, with its stamp and its two ids left blank."""

    def __init__(self, ticker: int, size: int) -> None:
        message = signal(ticker, _BLANK, size=size)
        _, command, _ = Envelopes("bench").frame(message, _INBOX)
        identity = message.identity.encode()
        self._head, self._middle, rest = command.split(identity)
        self._width = len(identity)
        self._before, self._after = rest.split(_BLANK.encode())

    def filled(self, sequence: int) -> bytes:
        """The command of message number *sequence*, stamped now."""
        identity = b"%0*d" % (self._width, sequence)
        now = stamp(sequence, time.monotonic_ns()).encode()
        return b"".join((self._head, identity, self._middle, identity, self._before, now, self._after))


class Line:
    """A connection to the bus that sends commands and counts acks."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._socket = socket.create_connection((place.hostname or "127.0.0.1", place.port or 4222))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""
        self.stored = 0
        self._socket.sendall(f"CONNECT {json.dumps(_CONNECT)}\r\nSUB {_INBOX} 1\r\nPING\r\n".encode())

    def fileno(self) -> int:
        """What to wait for."""
        return self._socket.fileno()

    def send(self, commands: list[bytes]) -> None:
        """Send *commands*; waits while the bus does not take them."""
        self._socket.sendall(b"".join(commands))

    def read(self) -> None:
        """Count the acks that have come, and answer pings.

        Raises:
            ConnectionError: the bus is gone, or does not store what it gets.
        """
        chunk = self._socket.recv(1 << 16)
        if not chunk:
            raise ConnectionError("the bus hung up")
        lines = (self._rest + chunk).split(b"\r\n")
        self._rest = lines.pop()
        for line in lines:
            if line.startswith(b'{"stream"'):
                self.stored += 1
            elif line == b"PING":
                self._socket.sendall(b"PONG\r\n")
            elif line.startswith((b"-ERR", b'{"error"', b"NATS/1.0")):
                raise ConnectionError(line.decode())


def publish(options: argparse.Namespace) -> None:
    """Publish until standard input ends."""
    forms = [Form(ticker, options.size) for ticker in range(options.tickers)]
    line = Line(options.url)
    began = next_report = time.monotonic()
    sent = behind = 0
    while True:
        now = time.monotonic()
        due = int((now - began) * options.rate)
        most = line.stored + _IN_FLIGHT
        if due > most:  # the pace falls behind rather than that anything is left out
            behind += 1
            due = most
        if sent < due:
            line.send([forms[number % options.tickers].filled(number) for number in range(sent, due)])
            sent = due
        if now >= next_report:
            next_report = now + _REPORT_SECONDS
            report = {"at": now, "published": sent, "stored": line.stored, "behind": behind}
            print(json.dumps({**report, "cpu_seconds": time.process_time()}), flush=True)
        pause = began + (sent + 1) / options.rate - time.monotonic()
        time.sleep(min(max(pause, _SHORTEST_PAUSE), _LONGEST_PAUSE))
        readable, _, _ = select.select((line, sys.stdin), (), (), 0)
        if sys.stdin in readable:
            return
        if readable:
            line.read()


def main() -> None:
    """Read the arguments and publish."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.publisher", description="Stamped messages, evenly."
    )
    parser.add_argument("--url", required=True, help="nats://host:port")
    parser.add_argument("--rate", type=float, default=200, help="messages a second")
    parser.add_argument("--tickers", type=int, default=50)
    parser.add_argument(
        "--size", type=int, default=178, help="bytes of a body; the gateway's frame of 178 has 290"
    )
    publish(parser.parse_args())


if __name__ == "__main__":
    main()
