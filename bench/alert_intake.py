"""How fast the alert-bridge accepts, and whether it keeps what it accepted: its webhook, the bus behind it.

Two runs against one bridge: 200 alerts a second, whose acceptance is timed, and 2,000 a second, in which
nothing may be lost and memory must stay flat. An alert is a Discord message with an embed and an id of its
own; it counts as accepted when it was answered 2xx, and afterwards the stream must hold exactly those.

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
from pathlib import Path
from statistics import linear_regression, mean
from tempfile import TemporaryDirectory
from typing import Any

from bench.fanout import machine, make_streams
from bench.processes import ROOT, Nats, Process

from alert_bridge.receive.sources import add_source
from baleen_bus import open_bus

_RUNS = ((200.0, 30.0), (2_000.0, 30.0))
_SMALL = ((200.0, 3.0), (500.0, 3.0))
_WARM_UP = (200.0, 2.0)
_SETTLING = 0.25  # share of a run in which memory may still grow
_LEAST_SAMPLES = 3
_MIB = 1 << 20


def main() -> int:
    """Measure; 1 if an accepted alert is not in the stream, or one was not accepted."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(prog="python -m bench.alert_intake", description=__doc__)
    parser.add_argument("--small", action="store_true", help="see in seconds that it works")
    small = parser.parse_args().small
    with TemporaryDirectory(prefix="baleen-bench-") as folder:
        runs = measure(Path(folder), _SMALL if small else _RUNS)
    told = {"machine": machine(), "runs": runs}
    print(json.dumps(told, indent=2))
    if not small:
        (ROOT / ".baleen" / "bench").mkdir(parents=True, exist_ok=True)
        (ROOT / ".baleen" / "bench" / "alert_intake.json").write_text(json.dumps(told, indent=2))
    for run in runs:
        print(in_words(run))
    return int(any(run["lost"] or run["not_accepted"] for run in runs))


def measure(directory: Path, runs: tuple[tuple[float, float], ...]) -> list[dict[str, Any]]:
    """Run a bus and a bridge, warm them up, and post at each rate; the figures of each run."""
    sources = directory / "sources.json"
    webhook = add_source(sources, "bench").webhook_url("")
    with Nats(directory) as nats:
        make_streams(nats, directory)
        environ = {
            "BALEEN_NATS_URL": nats.url,
            "BALEEN_LOG_FORMAT": "json",
            "ALERT_BRIDGE_PORT": "0",
            "ALERT_BRIDGE_SOURCES": str(sources),
        }
        with Process.python("bridge", "-m", "alert_bridge", directory=directory, environ=environ) as bridge:
            url = f"http://127.0.0.1:{bridge.logged('listening')['port']}{webhook}"
            _post(url, *_WARM_UP, bridge, directory)
            return [_run(url, load, bridge, nats, directory) for load in runs]


def in_words(run: dict[str, Any]) -> str:
    """One run as a line for people."""
    memory = run["memory_mib"]
    return (
        f"{run['rate']:,.0f}/s for {run['seconds']:.0f} s: "
        f"p50 {run['p50_ms']:.1f} ms, p99 {run['p99_ms']:.1f} ms, worst {run['max_ms']:.1f} ms; "
        f"{run['offered']:,} offered, {run['not_accepted']} not accepted, {run['lost']} lost; "
        f"bridge {run['bridge_cpu']:.0%} of a core, {memory['mean']:.0f} MiB, "
        f"rising {memory['rise']:+.1f} MiB after settling"
    )


def rise(samples: list[float]) -> float:
    """By how much *samples*, taken at even intervals, rise along a line once they settled."""
    settled = samples[int(len(samples) * _SETTLING) :]
    if len(settled) < _LEAST_SAMPLES:
        return 0.0
    return linear_regression(range(len(settled)), settled).slope * (len(settled) - 1)


def _run(url: str, load: tuple[float, float], bridge: Process, nats: Nats, directory: Path) -> dict[str, Any]:
    rate, seconds = load
    before = asyncio.run(_stored(nats.url))
    cpu, began = bridge.cpu_seconds(), time.monotonic()
    figures, memory = _post(url, rate, seconds, bridge, directory)
    cpu = (bridge.cpu_seconds() - cpu) / (time.monotonic() - began)
    accepted = sum(count for status, count in figures["answers"].items() if status.startswith("2"))
    # What was stored though its answer was no success would hide a loss; but then the run has failed anyway.
    stored = asyncio.run(_stored(nats.url)) - before
    return {
        "rate": rate,
        "seconds": seconds,
        **figures,
        "not_accepted": figures["offered"] - accepted,
        "lost": max(0, accepted - stored),
        "stored_unanswered": max(0, stored - accepted),
        "bridge_cpu": cpu,
        "memory_mib": {"mean": mean(memory), "rise": rise(memory), "samples": memory},
    }


def _post(
    url: str, rate: float, seconds: float, bridge: Process, directory: Path
) -> tuple[dict[str, Any], list[float]]:
    """Post from a process of its own; its figures, and the bridge's MiB second by second."""
    memory = [bridge.resident_bytes() / _MIB]
    arguments = ("-m", "bench.alert_poster", url, str(rate), str(seconds))
    with Process.python("poster", *arguments, directory=directory) as poster:
        while True:
            try:
                poster.wait(1.0)
                break
            except subprocess.TimeoutExpired:
                memory.append(bridge.resident_bytes() / _MIB)
        return poster.hear(), memory


async def _stored(url: str) -> int:
    async with open_bus(url=url, name="bench", connect_within=5) as bus:
        state = (await bus.request_json("$JS.API.STREAM.INFO.ALERT"))["state"]
        return int(state["last_seq"])


if __name__ == "__main__":
    sys.exit(main())
