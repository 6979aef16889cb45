"""Publishes stamped contract messages at an even rate, the way any publisher does; a process of its own.

It says how many it has published ten times a second, in lines of JSON, and ends with its standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from datetime import UTC, datetime

import uvloop
from bench.stamp import stamp, symbol

from baleen_bus import OutboxFull, Publisher, open_bus
from baleen_contracts.fields import Json
from baleen_contracts.signals import Signal

_LONGEST_PAUSE = 0.01
_REPORT_SECONDS = 0.1


def signal(sequence: int, *, tickers: int, size: int) -> Signal:
    """Signal number *sequence*, whose body is *size* bytes long and whose stamp says now."""
    now = datetime.now(UTC)
    now = now.replace(microsecond=now.microsecond or 1)  # whole seconds are written shorter
    note = stamp(sequence, time.monotonic_ns())
    body: Json = {"note": note, "text": "x" * (size - _UNPADDED)}
    return Signal(
        occurred_at=now,
        received_at=now,
        symbol=symbol(sequence % tickers),
        signal=body,
    )


_UNPADDED = 0  # length of a body without padding; measured once on a real one
_UNPADDED = len(signal(0, tickers=1, size=0).to_json())


async def publish(options: argparse.Namespace) -> None:
    """Publish until standard input ends."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    async with (
        open_bus(url=options.url, user=None, password=None, name="bench-publisher") as bus,
        Publisher(bus, source="bench") as publisher,
    ):
        await _keep_pace(publisher, options, ended)
        await publisher.drain(within=2)


async def _keep_pace(publisher: Publisher, options: argparse.Namespace, ended: asyncio.Event) -> None:
    began = time.monotonic()
    stored = sent = refused = 0
    next_report = began

    def count(_: object) -> None:
        nonlocal stored
        stored += 1

    while not ended.is_set():
        now = time.monotonic()
        due = int((now - began) * options.rate)
        try:
            while sent < due:
                publisher.offer(signal(sent, tickers=options.tickers, size=options.size), count)
                sent += 1
        except OutboxFull:
            refused += 1  # the same message is offered again: nothing is left out, the pace falls behind
        if now >= next_report:
            next_report = now + _REPORT_SECONDS
            report = {"at": now, "published": sent, "stored": stored, "refused": refused}
            print(json.dumps({**report, "cpu_seconds": time.process_time()}), flush=True)
        pause = began + (sent + 1) / options.rate - time.monotonic()
        await asyncio.sleep(min(max(pause, 0.0005), _LONGEST_PAUSE))


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
    uvloop.run(publish(parser.parse_args()))


if __name__ == "__main__":
    main()
