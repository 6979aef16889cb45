"""Whether uw-ingest's memory stays flat: 5,000 option trades a second for twenty minutes.

Real processes: a nats-server with its streams, the simulator's market at that rate with every other feed
beside it, and uw-ingest with its default channels, polls and all. Memory is read from the kernel once a
second, and told minute by minute. After a first quarter, in which caches fill, it must not grow: a line
is laid through the rest, and where it rises by more than a twentieth, the run fails. So it does if
trades were dropped on the way.

    .venv/bin/python -m bench.soak                # twenty minutes
    .venv/bin/python -m bench.soak --minutes 1    # to see that it works
"""

import argparse
import asyncio
import re
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import linear_regression, mean

import httpx

from baleen_bus.bootstrap import bootstrap
from baleen_bus.testing import NatsServer
from baleen_runtime.testing import ServiceProcess
from uw_simulator.testing import Simulator

RATE = 5_000  # option trades a second
EVERY = 1.0  # seconds between two readings
SETTLING = 0.25  # share of the time in which memory may still grow
MOST_RISE = 0.05  # share of the memory by which it may rise over the rest of the time
LEAST_RATE = 0.9  # share of the asked rate that must have arrived
MIB = 1 << 20
_TRADES = re.compile(r'^baleen_ingest_accepted_total\{feed="option_trade"\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at the process: seconds since the start, bytes, CPU seconds, trades and drops so far."""

    at: float
    resident: int
    cpu: float
    trades: int
    overflowed: int
    backlog: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the readings come to. ``rise`` is bytes over the whole time after settling, along the line."""

    resident: float
    rise: float
    rate: float
    overflowed: int

    @property
    def flat(self) -> bool:
        """Whether memory did not grow."""
        return self.rise <= MOST_RISE * self.resident

    @property
    def passed(self) -> bool:
        """Whether memory did not grow, and the load was there to make it grow."""
        return self.flat and not self.overflowed and self.rate >= LEAST_RATE * RATE


def judge(readings: Sequence[Reading]) -> Verdict:
    """Lay a line through what came after settling.

    Raises:
        ValueError: fewer than two readings came after it.
    """
    last = readings[-1].at
    settled = [reading for reading in readings if reading.at >= SETTLING * last]
    if len(settled) < 2:
        raise ValueError("too few readings to judge by")
    slope, _ = linear_regression([r.at for r in settled], [r.resident for r in settled])
    span = settled[-1].at - settled[0].at
    return Verdict(
        resident=mean(reading.resident for reading in settled),
        rise=slope * span,
        rate=(settled[-1].trades - settled[0].trades) / span,
        overflowed=readings[-1].overflowed,
    )


def tell(minute: int, readings: Sequence[Reading]) -> None:
    """Print a minute in a line."""
    first, last = readings[0], readings[-1]
    seconds = max(last.at - first.at, EVERY)
    held = [reading.resident / MIB for reading in readings]
    print(
        f"{minute:>6}  {min(held):>7.1f} {mean(held):>7.1f} {max(held):>7.1f} MiB"
        f"  {(last.trades - first.trades) / seconds:>7,.0f} trades/s"
        f"  {(last.cpu - first.cpu) / seconds:>5.0%} of a core"
        f"  backlog at most {max(reading.backlog for reading in readings):,}",
        flush=True,
    )


async def read(process: ServiceProcess, http: httpx.AsyncClient, began: float) -> Reading:
    """Look at the process once."""
    told = (await http.get("/status")).json()
    accepted = _TRADES.search((await http.get("/metrics")).text)
    return Reading(
        at=time.monotonic() - began,
        resident=process.resident_bytes(),
        cpu=process.cpu_seconds(),
        trades=int(float(accepted[1])) if accepted else 0,
        overflowed=told["counters"]["overflowed"],
        backlog=told["counters"]["backlog"],
    )


async def soak(seconds: float) -> list[Reading]:
    """Run everything for so long; return the readings."""
    readings: list[Reading] = []
    with NatsServer() as nats:
        await bootstrap(url=nats.url)
        async with Simulator.subprocess(source="synthetic", rate=RATE) as simulator:
            variables = {**simulator.variables, "BALEEN_NATS_URL": nats.url}
            with ServiceProcess("uw_ingest", variables) as process:
                await process.ready()
                async with httpx.AsyncClient(base_url=process.http, timeout=10) as http:
                    began, told = time.monotonic(), 0
                    while time.monotonic() - began < seconds:
                        await asyncio.sleep(EVERY)
                        readings.append(await read(process, http, began))
                        if readings[-1].at >= (told + 1) * 60:
                            tell(told + 1, [r for r in readings if r.at >= told * 60])
                            told += 1
    return readings


def main() -> int:
    """Soak once; the exit code says whether memory stayed flat."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="how long")
    asked = parser.parse_args()
    print("minute    least    mean    most")
    verdict = judge(asyncio.run(soak(asked.minutes * 60)))
    print(f"resident {verdict.resident / MIB:.1f} MiB, rise {verdict.rise / MIB:+.2f} MiB after settling")
    print(f"{verdict.rate:,.0f} trades/s of {RATE:,}, {verdict.overflowed:,} frames overflowed")
    print("flat" if verdict.passed else "NOT flat, or not under load")
    return 0 if verdict.passed else 1


if __name__ == "__main__":
    sys.exit(main())
