"""How fast the alert-bridge accepts, and whether it keeps what it accepted: its webhook, the bus behind it.

Two runs against one bridge: 200 alerts a second, whose acceptance is timed, and 2,000 a second, in which
nothing may be lost and memory must stay flat. The last run is at 2,000 a second again, with a second replica
that takes every other connection. An alert is a Discord message with an embed and an id of its own; it counts
as accepted when it was answered 2xx, and afterwards the stream must hold exactly those.

The bridge knows the newest 100,000 alerts by their ids. So many are on the stream before it starts, and
it has read them before anything is measured: what grows then would grow for ever.

    .venv/bin/python -m bench.alert_intake               # --small sees in seconds that it works
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import linear_regression, mean
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import httpx
from bench.fanout import machine, make_streams
from bench.processes import ROOT, Nats, Process, ProcessFailedError

from alert_bridge.account.index import NEWEST
from alert_bridge.receive.sources import add_source
from baleen_bus import Publisher, open_bus
from baleen_contracts.alert import Alert

_WARM_UP = (200.0, 2.0)
_SETTLING = 0.25  # share of a run in which memory may still grow
_LEAST_SAMPLES = 3
_TOGETHER = 4_000
_KNOWN = "An alert from before, with an id as long as usual. " * 4
_OK = 200
_MIB = 1 << 20
_MAY_RISE = 4.0
"""MiB in a run; 70 bytes for each of 60,000 alerts, less than anything that is kept of one."""


class Load(NamedTuple):
    """Alerts a second, for how many seconds, shared by how many bridges."""

    rate: float
    seconds: float
    bridges: int = 1


_RUNS = (Load(200.0, 30.0), Load(2_000.0, 30.0), Load(2_000.0, 30.0, bridges=2))
_SMALL = (Load(200.0, 3.0), Load(500.0, 3.0, bridges=2))


def main() -> int:
    """Measure; 1 if an accepted alert is not in the stream, one was not accepted, or memory rises."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(prog="python -m bench.alert_intake", description=__doc__)
    parser.add_argument("--small", action="store_true", help="see in seconds that it works")
    small = parser.parse_args().small
    with TemporaryDirectory(prefix="baleen-bench-") as folder:
        runs = measure(Path(folder), _SMALL if small else _RUNS, known=0 if small else NEWEST)
    told = {"machine": machine(), "runs": runs}
    print(json.dumps(told, indent=2))
    if not small:
        (ROOT / ".baleen" / "bench").mkdir(parents=True, exist_ok=True)
        (ROOT / ".baleen" / "bench" / "alert_intake.json").write_text(json.dumps(told, indent=2))
    for run in runs:
        print(in_words(run))
    return int(any(run["lost"] or run["not_accepted"] or not (small or flat(run)) for run in runs))


def measure(directory: Path, runs: tuple[Load, ...], *, known: int) -> list[dict[str, Any]]:
    """Run a bus with *known* alerts and the bridges, warm them up, and post each load; its figures."""
    sources = directory / "sources.json"
    webhook = add_source(sources, "bench").webhook_url("")
    with Nats(directory) as nats:
        make_streams(nats, directory)
        asyncio.run(_fill(nats.url, known))
        environ = {
            "BALEEN_NATS_URL": nats.url,
            "BALEEN_LOG_FORMAT": "json",
            "ALERT_BRIDGE_PORT": "0",
            "ALERT_BRIDGE_SOURCES": str(sources),
        }
        told, bridges, urls = list[dict[str, Any]](), list[Process](), list[str]()
        with ExitStack() as closing:
            for load in runs:
                while len(bridges) < load.bridges:
                    name = f"bridge-{len(bridges)}"
                    bridge = Process.python(name, "-m", "alert_bridge", directory=directory, environ=environ)
                    bridges.append(closing.enter_context(bridge))
                    url = f"http://127.0.0.1:{bridge.logged('listening')['port']}"
                    _await_index(url)
                    urls.append(url + webhook)
                    _post(urls[-1], *_WARM_UP, bridges, directory)
                told.append(_run(",".join(urls), load, bridges, nats, directory))
        return told


def in_words(run: dict[str, Any]) -> str:
    """One run as a line for people."""
    memory = run["memory_mib"]
    return (
        f"{run['rate']:,.0f}/s for {run['seconds']:.0f} s, bridges {run['bridges']}: "
        f"p50 {run['p50_ms']:.1f} ms, p99 {run['p99_ms']:.1f} ms, worst {run['max_ms']:.1f} ms; "
        f"{run['offered']:,} offered, {run['not_accepted']} not accepted, {run['lost']} lost; "
        f"{run['bridge_cpu']:.0%} of a core, {run['cpu_us']:.0f} us an alert, "
        f"{memory['mean']:.0f} MiB, "
        f"rising {memory['rise']:+.1f} MiB after settling"
    )


def flat(run: dict[str, Any]) -> bool:
    """Whether memory stayed where it was in a run."""
    return bool(run["memory_mib"]["rise"] <= _MAY_RISE)


def rise(samples: list[float]) -> float:
    """By how much *samples*, taken at even intervals, rise along a line once they settled."""
    settled = samples[int(len(samples) * _SETTLING) :]
    if len(settled) < _LEAST_SAMPLES:
        return 0.0
    return linear_regression(range(len(settled)), settled).slope * (len(settled) - 1)


def _run(urls: str, load: Load, bridges: list[Process], nats: Nats, directory: Path) -> dict[str, Any]:
    before = asyncio.run(_stored(nats.url))
    cpu, began = _cpu_seconds(bridges), time.monotonic()
    figures, memory = _post(urls, load.rate, load.seconds, bridges, directory)
    cpu, took = _cpu_seconds(bridges) - cpu, time.monotonic() - began
    accepted = sum(count for status, count in figures["answers"].items() if status.startswith("2"))
    # What was stored though its answer was no success would hide a loss; but then the run has failed anyway.
    stored = asyncio.run(_stored(nats.url)) - before
    return {
        **load._asdict(),
        **figures,
        "not_accepted": figures["offered"] - accepted,
        "lost": max(0, accepted - stored),
        "stored_unanswered": max(0, stored - accepted),
        "bridge_cpu": cpu / took,
        "cpu_us": 1e6 * cpu / figures["offered"],
        "memory_mib": {"mean": mean(memory), "rise": rise(memory), "samples": memory},
    }


def _post(
    urls: str, rate: float, seconds: float, bridges: list[Process], directory: Path
) -> tuple[dict[str, Any], list[float]]:
    """Post from a process of its own; its figures, and the bridges' MiB second by second."""
    memory = [_resident_mib(bridges)]
    arguments = ("-m", "bench.alert_poster", urls, str(rate), str(seconds))
    with Process.python("poster", *arguments, directory=directory) as poster:
        while True:
            try:
                poster.wait(1.0)
                break
            except subprocess.TimeoutExpired:
                memory.append(_resident_mib(bridges))
        return poster.hear(), memory


def _cpu_seconds(processes: list[Process]) -> float:
    return sum(process.cpu_seconds() for process in processes)


def _resident_mib(processes: list[Process]) -> float:
    return sum(process.resident_bytes() for process in processes) / _MIB


async def _fill(url: str, count: int) -> None:
    """Put *count* alerts on the stream."""
    now = datetime.now(UTC)
    async with (
        open_bus(url=url, name="bench", connect_within=5) as bus,
        Publisher(bus, source="bench") as publisher,
    ):
        for number in range(count):
            publisher.offer(
                Alert(
                    id=f"known-{number}", alert_type="bench", source="bench", occurred_at=now, content=_KNOWN
                )
            )
            if not number % _TOGETHER:
                await publisher.drain(within=60)
        if await publisher.drain(within=60):
            raise ProcessFailedError("the stream could not be filled")


def _await_index(bridge_url: str, within: float = 60.0) -> None:
    """Return once the bridge says what is on the stream."""
    deadline = time.monotonic() + within
    with httpx.Client(base_url=bridge_url) as client:
        while client.get("/alerts", params={"limit": 1}).status_code != _OK:
            if time.monotonic() > deadline:
                raise ProcessFailedError("the bridge never read what is on the stream")
            time.sleep(0.1)


async def _stored(url: str) -> int:
    async with open_bus(url=url, name="bench", connect_within=5) as bus:
        state = (await bus.request_json("$JS.API.STREAM.INFO.ALERT"))["state"]
        return int(state["last_seq"])


if __name__ == "__main__":
    sys.exit(main())
