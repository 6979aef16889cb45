"""What clients that stop reading cost all the others: pairs of windows, with and without them, in one run.

One gateway, one swarm of clients that read, one publisher.  Every second window some more clients have joined
that take nothing of what they are sent; it begins when their sockets are full.  The order within a pair
changes from pair to pair, so that a machine that grows slower or faster favours neither.

    .venv/bin/python -m bench.isolation               # --small sees in seconds that it works
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import sys
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from bench import handshake
from bench.contenders import gateway
from bench.fanout import machine, make_streams, publisher_of, swarm_arguments
from bench.processes import ROOT, Nats, Process
from bench.shapes import Shape
from bench.swarm import raise_file_limit

_RECEIVE_BUFFER = 4_096
_FULL_WITHIN = 180.0  # a sender holds up to 4 MiB for a socket, which gets 29 KB a second
_SUBSCRIBE = b'{"op":"subscribe","topics":["signal.v1.*"],"snapshot":false}'


class Stalled:
    """Clients that subscribe to everything and then read nothing."""

    def __init__(self, url: str, count: int) -> None:
        self._sockets = [self._join(url) for _ in range(count)]

    @staticmethod
    def _join(url: str) -> socket.socket:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        connection.settimeout(5)
        connection.connect(handshake.address(url))
        connection.sendall(handshake.upgrade_request(url, "baleen.v1"))
        for awaited, answer in ((b'"op":"welcome"', _SUBSCRIBE), (b'"op":"subscribed"', b"")):
            received = b""
            while awaited not in received:
                received += connection.recv(4_096)
            if answer:
                connection.sendall(handshake.masked(handshake.TEXT, answer))
        return connection

    def close(self) -> None:
        """Leave without a word."""
        for connection in self._sockets:
            connection.close()


class Run:
    """The processes of one run."""

    def __init__(self, shape: Shape, closing: ExitStack) -> None:
        directory = Path(closing.enter_context(TemporaryDirectory(prefix="baleen-bench-")))
        nats = closing.enter_context(Nats(directory))
        make_streams(nats, directory)
        contender = gateway(nats, directory)
        self._gateway = closing.enter_context(contender.process)
        self._url = next(a for a in contender.swarm if a.startswith("--url=")).removeprefix("--url=")
        arguments = swarm_arguments(shape, contender)
        self._swarm = closing.enter_context(
            Process.python("swarm", "-m", "bench.swarm", *arguments, directory=directory)
        )
        self._swarm.hear()
        closing.enter_context(publisher_of(shape, nats, directory))

    def window(self, seconds: float, stalled: int) -> dict[str, Any]:
        """Measure for *seconds*, beside so many clients that take nothing."""
        clients = Stalled(self._url, stalled)
        waited = self._wait_until_full(stalled)
        began, cpu = time.monotonic(), self._gateway.cpu_seconds()
        self._swarm.say({"measure": [began, began + seconds]})
        result = self._swarm.hear()["result"]
        spent = self._gateway.cpu_seconds() - cpu
        clients.close()
        return {
            "stalled": stalled,
            "waiting_bytes": waited,
            "events_per_second": result["events_per_second"],
            "missing_or_doubled": result["missing_or_doubled"],
            "gateway_cpu": spent / (time.monotonic() - began),
            **{name: result["latency_sample"][name] for name in ("p50_ms", "p99_ms", "max_ms")},
        }

    def _wait_until_full(self, stalled: int) -> float:
        """Return how many bytes wait in the gateway, once some do or none ought to."""
        deadline = time.monotonic() + _FULL_WITHIN
        while not (waiting := self._buffered()) and stalled:
            if time.monotonic() > deadline:
                raise SystemExit("the sockets of the stalled clients do not fill")
            time.sleep(0.1)
        return waiting

    def _buffered(self) -> float:
        with urllib.request.urlopen(f"http://{urlsplit(self._url).netloc}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        name = "baleen_gateway_buffered_bytes "
        return float(next(line for line in lines if line.startswith(name)).removeprefix(name))


def measure(shape: Shape, *, pairs: int, seconds: float, stalled: int) -> list[dict[str, Any]]:
    """Run pairs of windows; their figures, in order."""
    with ExitStack() as closing:
        run = Run(shape, closing)
        run.window(min(2.0, seconds), 0)  # nobody's first seconds are like the others
        windows = []
        for pair in range(pairs):
            for count in (0, stalled) if pair % 2 else (stalled, 0):
                windows.append({"pair": pair, **run.window(seconds, count)})
                print(_line(windows[-1]), flush=True)
        return windows


def differences(windows: list[dict[str, Any]], figure: str) -> list[float]:
    """What *figure* is larger by in the window with stalled clients, pair by pair."""
    by_pair: dict[int, dict[bool, float]] = {}
    for window in windows:
        by_pair.setdefault(window["pair"], {})[bool(window["stalled"])] = window[figure]
    return [pair[True] - pair[False] for pair in by_pair.values()]


def _line(window: dict[str, Any]) -> str:
    return (
        f"{window['stalled']:3} stalled, {window['waiting_bytes']:9,.0f} bytes wait: "
        f"{window['events_per_second']:9,.0f}/s, p50 {window['p50_ms']:6.1f} ms, "
        f"p99 {window['p99_ms']:6.1f} ms, gateway {window['gateway_cpu']:4.0%}, "
        f"missing or doubled {window['missing_or_doubled']}"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.isolation", description="What slow clients cost.")
    parser.add_argument("--clients", type=int, default=2_000)
    parser.add_argument("--rate", type=float, default=100, help="messages a second, all to everybody")
    parser.add_argument("--stalled", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6, help="measured time of each window")
    parser.add_argument("--small", action="store_true", help="few clients, few seconds: does it work at all?")
    parser.add_argument("--json", type=Path, default=ROOT / ".baleen" / "bench" / "isolation.json")
    return parser.parse_args()


def main() -> int:
    """Measure, say by how much the 99th percentile moved, write JSON; 1 when somebody missed something."""
    options = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every process it started is ended too
    raise_file_limit()
    shape = Shape("isolation", clients=options.clients, rate=options.rate)
    pairs, seconds = options.pairs, options.seconds
    if options.small:
        shape, pairs, seconds = Shape("isolation", clients=40, rate=400), 1, 1.0
    windows = measure(shape, pairs=pairs, seconds=seconds, stalled=options.stalled)
    moved = differences(windows, "p99_ms")
    usual = median(window["p99_ms"] for window in windows if not window["stalled"])
    print(f"p99 moved by {', '.join(f'{by:+.1f}' for by in moved)} ms,")
    print(f"in the median by {median(moved):+.1f} ms, from {usual:.1f} ms")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"machine": machine(), "windows": windows}, indent=2))
    return 1 if any(window["missing_or_doubled"] for window in windows) else 0


if __name__ == "__main__":
    sys.exit(main())
