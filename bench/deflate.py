"""What smaller frames save on the wire and cost in the gateway: pairs of windows, with and without them.

One gateway; option trades, each with numbers of its own, at an even rate; clients that all want all of them
join, read for a window and leave: in one window of a pair they offer permessage-deflate, in the other not.
One more client reads every message, with the `websockets` library, and times it.

    .venv/bin/python -m bench.deflate               # --small sees in seconds that it works
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sys
import time
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, cast

import uvloop
from bench import handshake
from bench.contenders import gateway
from bench.fanout import machine, make_streams
from bench.latencies import Latencies
from bench.processes import ROOT, Nats, Process
from websockets.asyncio.client import connect

from baleen_bus import Publisher, open_bus
from baleen_contracts import by_name, example
from baleen_contracts.option_trade import OptionTrade

_OFFER = "permessage-deflate; client_max_window_bits"
_SUBSCRIBE = '{"op":"subscribe","topics":["uw.v1.option_trade.*"],"snapshot":false}'
_SYMBOLS = ("SPY", "QQQ", "TSLA", "NVDA", "AAPL")


def trade(number: int, chance: random.Random) -> OptionTrade:
    """Trade *number*, made now, with figures that are alike and never the same."""
    now = datetime.now(UTC)
    return OptionTrade.model_validate(
        {
            **example(by_name("option_trade")),
            "id": f"{number:010d}-{time.monotonic_ns():016d}",
            "symbol": chance.choice(_SYMBOLS),
            "price": round(chance.uniform(0.05, 20), 2),
            "size": chance.randrange(1, 900),
            "premium": round(chance.uniform(50, 200_000), 2),
            "occurred_at": now,
            "received_at": now,
        }
    )


class Reader(asyncio.Protocol):
    """A client that counts bytes and understands none."""

    def __init__(self, url: str, offer: str | None) -> None:
        self._head: bytes | None = b""
        self._upgrade = handshake.upgrade_request(url, "baleen.v1", offer)
        self.joined = asyncio.get_running_loop().create_future()
        self.received = 0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._upgrade)

    def data_received(self, data: bytes) -> None:
        """Subscribe once upgraded, then count."""
        self.received += len(data)
        if self._head is None:
            return
        self._head += data
        if handshake.take_upgrade_answer(self._head) is not None:
            agreed = b"permessage-deflate" in self._head
            self._head = None
            self.transport.write(handshake.masked(handshake.TEXT, _SUBSCRIBE.encode()))
            self.joined.set_result(agreed)


class Strict:
    """A client that reads every message: none missing, none twice, and how late."""

    def __init__(self) -> None:
        self.latencies = Latencies()
        self.messages = self.flaws = 0
        self._last: int | None = None

    async def read(self, url: str, compression: str | None) -> None:
        """Read until cancelled."""
        async with connect(
            url, compression=compression, subprotocols=["baleen.v1"], max_queue=None
        ) as client:
            await client.send(_SUBSCRIBE)
            async for text in client:
                self._take(json.loads(text))

    def _take(self, frame: dict[str, Any]) -> None:
        if frame["op"] != "event":
            return
        number, stamp = (int(part) for part in frame["data"]["id"].split("-"))
        self.flaws += self._last is not None and number != self._last + 1
        self._last = number
        self.messages += 1
        self.latencies.add(time.monotonic_ns() - stamp)


async def publish(url: str, rate: float) -> None:
    """Publish trades at an even *rate* until cancelled."""
    chance, number, began = random.Random(1), 0, time.monotonic()
    async with (
        open_bus(url=url, user=None, password=None, name="bench-deflate") as bus,
        Publisher(bus, source="bench") as publisher,
    ):
        while True:
            due = int((time.monotonic() - began) * rate)
            while number < due:
                publisher.offer(trade(number, chance))
                number += 1
            await asyncio.sleep(0.002)


async def window(
    url: str, server: Process, *, clients: int, seconds: float, deflates: bool
) -> dict[str, Any]:
    """Let clients join, measure for *seconds*, and let them leave."""
    loop = asyncio.get_running_loop()
    host, port = handshake.address(url)
    readers = [Reader(url, _OFFER if deflates else None) for _ in range(clients)]
    for reader in readers:
        await loop.create_connection(lambda reader=reader: reader, host, port)
    agreed = await asyncio.gather(*(reader.joined for reader in readers))
    if set(agreed) != {deflates}:
        raise SystemExit(f"{agreed.count(True)} of {clients} clients were granted smaller frames")
    strict = Strict()
    reading = asyncio.create_task(strict.read(url, "deflate" if deflates else None), name="strict")
    await asyncio.sleep(min(1.0, seconds))
    strict.latencies.clear()
    messages, received = strict.messages, sum(reader.received for reader in readers)
    cpu, began = server.cpu_seconds(), time.monotonic()
    await asyncio.sleep(seconds)
    spent, took = server.cpu_seconds() - cpu, time.monotonic() - began
    messages, received = strict.messages - messages, sum(reader.received for reader in readers) - received
    reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading
    for reader in readers:
        reader.transport.abort()
    return {
        "deflates": deflates,
        "messages_per_second": messages / took,
        "bytes_per_message": received / clients / max(1, messages),
        "megabytes_per_second": received / took / 1e6,
        "gateway_cpu": spent / took,
        "missing_or_doubled": strict.flaws,
        **strict.latencies.summary(),
    }


async def measure(*, clients: int, rate: float, pairs: int, seconds: float) -> list[dict[str, Any]]:
    """Run pairs of windows; their figures, in order."""
    with ExitStack() as closing:
        directory = Path(closing.enter_context(TemporaryDirectory(prefix="baleen-bench-")))
        nats = closing.enter_context(Nats(directory))
        make_streams(nats, directory)
        contender = gateway(nats, directory)
        server = closing.enter_context(contender.process)
        url = next(a for a in contender.swarm if a.startswith("--url=")).removeprefix("--url=")
        publishing = asyncio.create_task(publish(nats.url, rate), name="publish")
        windows = []
        for pair in range(pairs):
            for deflates in (False, True) if pair % 2 else (True, False):
                windows.append(await window(url, server, clients=clients, seconds=seconds, deflates=deflates))
                print(_line(windows[-1]), flush=True)
        publishing.cancel()
        with suppress(asyncio.CancelledError):
            await publishing
        return windows


def _line(window: dict[str, Any]) -> str:
    return (
        f"{'deflated' if window['deflates'] else 'plain':8}: {window['messages_per_second']:5,.0f}/s, "
        f"{window['bytes_per_message']:5,.0f} bytes each, {window['megabytes_per_second']:6.1f} MB/s, "
        f"gateway {window['gateway_cpu']:4.0%}, "
        f"p50 {window['p50_ms']:5.1f} ms, p99 {window['p99_ms']:5.1f} ms, "
        f"missing or doubled {window['missing_or_doubled']}"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.deflate", description="What smaller frames cost.")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--rate", type=float, default=300, help="messages a second, all to everybody")
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=6, help="measured time of each window")
    parser.add_argument("--small", action="store_true", help="few clients, few seconds: does it work at all?")
    parser.add_argument("--json", type=Path, default=ROOT / ".baleen" / "bench" / "deflate.json")
    return parser.parse_args()


def main() -> int:
    """Measure, sum up, write JSON; 1 when somebody missed something."""
    options = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every process it started is ended too
    load = {"clients": options.clients, "rate": options.rate, "pairs": options.pairs}
    seconds = options.seconds
    if options.small:
        load, seconds = {"clients": 10, "rate": 100, "pairs": 1}, 1.0
    windows = uvloop.run(measure(**load, seconds=seconds))
    for figure, unit in (("bytes_per_message", "bytes"), ("gateway_cpu", "of a core"), ("p99_ms", "ms")):
        plain, deflated = (
            median(w[figure] for w in windows if w["deflates"] is kind) for kind in (False, True)
        )
        print(f"{figure}: {plain:.3g} plain, {deflated:.3g} deflated, {unit}")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"machine": machine(), "windows": windows}, indent=2))
    return 1 if any(window["missing_or_doubled"] for window in windows) else 0


if __name__ == "__main__":
    sys.exit(main())
