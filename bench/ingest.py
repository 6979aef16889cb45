"""What one option trade costs uw-ingest, from the upstream socket to the stream's ack.

Four real processes: a nats-server with its streams, the simulator, uw-ingest, and this one, which asks the
simulator for bursts of option trades. A burst is made when all of the last is stored, and sent when all of it
is made: making trades, which upstream does on machines of its own, takes no processor from uw-ingest while
that works, and nothing overflows. Every trade is validated by its contract and stored. The figure that counts
is trades per CPU second of the uw-ingest process, read from the kernel; the other processes' CPU is told
beside it, since all share the machine's cores.

    .venv/bin/python -m bench.ingest            # 500,000 trades
    .venv/bin/python -m bench.ingest --small    # 20,000, to see that it works
"""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from baleen_bus.bootstrap import bootstrap
from baleen_bus.connection import Bus, open_bus
from baleen_bus.testing import NatsServer
from baleen_runtime.testing import ServiceProcess, cpu_seconds
from uw_simulator.testing import Simulator

BURST = 10_000  # trades; a sixth of what the buffer of uw-ingest holds
WARM_UP = 5_000
GOAL = 25_000  # trades per CPU second
SETTLE_WITHIN = 120.0
_SETTINGS = {
    "UW_INGEST_CHANNELS": "option_trades",
    "UW_INGEST_MOVERS_EVERY": "3600",
    "UW_INGEST_CONGRESS_EVERY": "3600",
}


async def stream_counts(bus: Bus) -> tuple[int, int]:
    """Return how many messages TAPE holds, and how many the other streams of uw-ingest ever stored."""
    states = {}
    for stream in ("TAPE", "FEED", "LATEST", "RECORDS"):
        states[stream] = (await bus.request_json(f"$JS.API.STREAM.INFO.{stream}"))["state"]
    others = sum(state["last_seq"] for stream, state in states.items() if stream != "TAPE")
    return states["TAPE"]["messages"], others


async def until(condition: Any, what: str) -> None:
    """Wait for an async condition.

    Raises:
        TimeoutError: it did not come true in time.
    """
    deadline = time.monotonic() + SETTLE_WITHIN
    while not await condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        await asyncio.sleep(0.02)


async def measure(count: int) -> dict[str, Any]:
    """Send *count* trades through and return every figure."""
    with NatsServer() as nats:
        await bootstrap(url=nats.url)
        ours = {**_SETTINGS, "BALEEN_NATS_URL": nats.url}
        async with (
            Simulator.subprocess() as simulator,
            ServiceProcess("uw_ingest", {**simulator.variables, **ours}) as ingest,
            httpx.AsyncClient(base_url=ingest.http, timeout=10) as http,
            open_bus(url=nats.url, name="bench") as bus,
        ):

            async def counters() -> dict[str, Any]:
                told: dict[str, Any] = (await http.get("/status")).json()
                polled = told.get("feeds", {}).get("market_mover", {}).get("state") == "live"
                return {**told["counters"], "ready": polled}

            async def ready() -> bool:
                up = (await http.get("/readyz")).status_code == 200
                return up and bool((await counters())["ready"])

            async def stored() -> int:
                return (await stream_counts(bus))[0]  # asks the server: asking uw-ingest would cost it time

            async def looked() -> tuple[dict[str, Any], tuple[int, int]]:
                """Return both countings; uw-ingest says statuses of its own, at best between two looks."""
                while True:
                    told, counts = await counters(), await stream_counts(bus)
                    if (await counters())["published"] == told["published"]:
                        return told, counts

            async def at_rest() -> bool:
                await asyncio.sleep(0.5)
                return bool((await counters())["backlog"] == 0)

            await until(ready, "uw-ingest is not ready")
            await simulator.control.burst(count=WARM_UP)  # fills the caches
            await until(at_rest, "the warm-up did not end")
            before, (stored_before, others_before) = await looked()
            pids = {"uw-ingest": ingest.pid, "nats-server": nats.pid, "simulator": simulator.pid or 0}
            cpu, start = {name: cpu_seconds(p) for name, p in pids.items()}, time.monotonic()
            for sent in range(0, count, BURST):
                asked = min(BURST, count - sent)
                await simulator.control.burst(count=asked, rate=1_000_000, prepared=True)
                there = stored_before + sent + asked
                await until(lambda there=there: _at_least(stored, there), "the trades did not arrive")
            wall = time.monotonic() - start
            cpu = {name: cpu_seconds(p) - cpu[name] for name, p in pids.items()}
            await until(at_rest, "the outbox did not empty")
            after, (stored_after, others) = await looked()
    acked = after["published"] - before["published"] - (others - others_before)
    return {
        "sent": count,
        "validated": after["accepted"] - before["accepted"],
        "acked": acked,
        "stored": stored_after - stored_before,
        "overflowed": after["overflowed"],
        "refused": after["refused"],
        "wall": wall,
        "cpu": cpu,
    }


async def _at_least(read: Callable[[], Awaitable[int]], wanted: int) -> bool:
    return await read() >= wanted


def report(figures: dict[str, Any]) -> bool:
    """Print the figures; tell whether the counts agree."""
    sent, wall, cpu = figures["sent"], figures["wall"], figures["cpu"]
    own = cpu["uw-ingest"]
    print(f"option trades sent          {sent:>12,}")
    for name in ("validated", "acked", "stored"):
        print(f"{name:<27} {figures[name]:>12,}")
    print(f"overflowed, refused         {figures['overflowed']:>12,}   {figures['refused'] or 'none'}")
    print(f"wall, making them included  {wall:>12.2f} s   {sent / wall:,.0f} trades/s")
    for name, seconds in cpu.items():
        print(f"CPU of {name:<20} {seconds:>12.2f} s   {seconds / wall:.0%} of a core")
    print(f"per trade                   {own / sent * 1e6:>12.1f} us of uw-ingest's CPU, socket to ack")
    print(f"per CPU second of uw-ingest {sent / own:>12,.0f} trades (goal {GOAL:,})")
    return bool(figures["validated"] == figures["acked"] == figures["stored"] == sent)


def main() -> int:
    """Run once; the exit code says whether every trade was validated, acked and stored."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="20,000 trades, to see that it works")
    parser.add_argument("--count", type=int, default=500_000, help="trades to send")
    asked = parser.parse_args()
    whole = report(asyncio.run(measure(20_000 if asked.small else asked.count)))
    if not whole:
        print("the counts do not agree")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
