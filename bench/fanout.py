"""Fan-out, side by side in one run: the gateway, nats-server's own WebSocket listener, the seeds' way.

Each contender gets the same offered load, over real processes and real sockets: a publisher puts stamped
signals through JetStream, the contender brings them to every client of one swarm.  A warm-up, then a measured
time.  What a contender cannot carry shows as a ratio below one.

    python -m bench.fanout --shape 5000x200 --shape latency --seconds 60
    python -m bench.fanout --small
"""

from __future__ import annotations

import argparse
import json
import platform
import signal
import sys
import threading
import time
from bisect import bisect_left
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.contenders import CONTENDERS, Contender
from bench.processes import ROOT, Nats, Process, ProcessFailedError
from bench.report import table
from bench.shapes import SHAPES, SMALL, Shape
from bench.swarm import raise_file_limit

_CONNECTS_PER_SECOND = 1500


class Published:
    """What the publisher says it has published, and when."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._times: list[float] = []
        self._counts: list[int] = []
        self.last: dict[str, Any] = process.hear()
        self._thread = threading.Thread(target=self._listen, name="published", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        for line in self._process.output:
            self.last = json.loads(line)
            self._times.append(self.last["at"])
            self._counts.append(self.last["stored"])

    def stored_at(self, moment: float) -> float:
        """Messages the bus had acknowledged at *moment* (CLOCK_MONOTONIC seconds), between two reports."""
        place = bisect_left(self._times, moment)
        if not 0 < place < len(self._times):
            return float(self._counts[-1] if self._counts and place else 0)
        (t0, t1), (n0, n1) = self._times[place - 1 : place + 1], self._counts[place - 1 : place + 1]
        return n0 + (n1 - n0) * (moment - t0) / (t1 - t0)


def measure(shape: Shape, contender_name: str, *, warm_up: float, seconds: float) -> dict[str, Any]:
    """Run one contender under one shape; its figures."""
    with ExitStack() as closing:
        directory = Path(closing.enter_context(TemporaryDirectory(prefix="baleen-bench-")))
        nats = closing.enter_context(Nats(directory))
        make_streams(nats, directory)
        contender = CONTENDERS[contender_name](nats, directory)
        closing.enter_context(contender.process)
        empty, idle_cpu = contender.process.resident_bytes(), contender.process.cpu_seconds()
        swarm = closing.enter_context(
            Process.python(
                "swarm", "-m", "bench.swarm", *swarm_arguments(shape, contender), directory=directory
            )
        )
        joined = swarm.hear()
        figures: dict[str, Any] = {
            "shape": shape.name,
            "contender": contender.name,
            "clients": shape.clients,
            "rate": shape.rate,
            "connect_seconds": joined["connect_seconds"],
            "join_cpu_us": (contender.process.cpu_seconds() - idle_cpu) / shape.clients * 1e6,
        }
        processes = {"server": contender.process, "nats": nats, "swarm": swarm}
        published = None
        if shape.rate:
            publisher = closing.enter_context(publisher_of(shape, nats, directory))
            published = Published(publisher)
            processes["publisher"] = publisher
        begin = time.monotonic() + warm_up
        swarm.say({"measure": [begin, begin + seconds]})
        figures |= _watch(processes, begin, seconds)
        result = swarm.hear()["result"]
        figures["swarm"] = result
        figures |= _deliveries(shape, result, published, begin, begin + seconds)
        figures["bytes_per_client"] = (figures["server_resident_bytes"] - empty) / shape.clients
        return figures


def make_streams(nats: Nats, directory: Path) -> None:
    """Make the streams, as compose, Kubernetes and `make up` do."""
    with Process.python(
        "bootstrap", "-m", "baleen_bus", "bootstrap", "--url", nats.url, directory=directory
    ) as bootstrap:
        if bootstrap.wait(20):
            raise ProcessFailedError(f"the streams could not be made: {bootstrap.tail()}")


def swarm_arguments(shape: Shape, contender: Contender) -> list[str]:
    """Return how a swarm is told to be the clients of *shape* at *contender*."""
    numbers = {
        "--clients": shape.clients,
        "--tickers": shape.tickers,
        "--watch": shape.watch,
        "--strict": shape.strict,
        "--connects-per-second": _CONNECTS_PER_SECOND,
    }
    return [*contender.swarm, *(str(part) for pair in numbers.items() for part in pair)]


def publisher_of(shape: Shape, nats: Nats, directory: Path) -> Process:
    """Start what publishes the messages of *shape*."""
    arguments = ("--url", nats.url, "--rate", str(shape.rate), "--tickers", str(shape.tickers))
    return Process.python("publisher", "-m", "bench.publisher", *arguments, directory=directory)


def _watch(processes: dict[str, Process], begin: float, seconds: float) -> dict[str, Any]:
    """What each process spends between *begin* and *begin* + *seconds*, as shares of one core."""
    time.sleep(max(0.0, begin - time.monotonic()))
    before = {name: process.cpu_seconds() for name, process in processes.items()}
    time.sleep(max(0.0, begin + seconds - time.monotonic()))
    return {
        "cpu": {
            name: (process.cpu_seconds() - before[name]) / seconds for name, process in processes.items()
        },
        "server_resident_bytes": processes["server"].resident_bytes(),
    }


def _deliveries(
    shape: Shape, result: dict[str, Any], published: Published | None, begin: float, end: float
) -> dict[str, Any]:
    if published is None:
        return {"connected": result["connected_at_end"]}
    into_bus = published.stored_at(end) - published.stored_at(begin)
    offered = shape.offered * (end - begin)
    return {
        "connected": result["connected_at_end"],
        "offered_per_second": shape.offered,
        "delivered_per_second": result["events"] / (end - begin),
        "delivered_ratio": result["events"] / offered,
        "delivered_of_stored": result["events"] / max(1.0, into_bus * shape.clients * shape.share),
        "stored_per_second": into_bus / (end - begin),
        "missing_or_doubled": result["missing_or_doubled"],
        "p50_ms": result["latency_sample"]["p50_ms"],
        "p99_ms": result["latency_sample"]["p99_ms"],
        "max_ms": result["latency_sample"]["max_ms"],
        "p99_ms_oldest_of_each_read": result["latency_oldest_of_each_read"]["p99_ms"],
        "publisher": published.last,
    }


def flaws(figures: dict[str, Any]) -> list[str]:
    """What shows that a small run did not work at all (no judgement of speed)."""
    found = []
    if figures["connected"] != figures["clients"]:
        found.append(f"{figures['clients'] - figures['connected']} clients were lost")
    if figures["rate"]:
        findings = figures["swarm"]["totals"]["strict_findings"]
        found += [f"{count} events missing or doubled" for count in [figures["missing_or_doubled"]] if count]
        found += findings
        if figures["delivered_ratio"] < 0.5:
            found.append(f"only {figures['delivered_ratio']:.0%} of the offered load arrived")
    return [f"{figures['contender']}, {figures['shape']}: {flaw}" for flaw in found]


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cpu = next(
        (line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), ""
    )
    return {
        "cpu": cpu.partition(":")[2].strip(),
        "cores": len(Path("/proc/cpuinfo").read_text().split("processor\t")) - 1,
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.fanout", description="Fan-out, side by side.")
    parser.add_argument("--shape", action="append", choices=SHAPES, help="may be given again; default: all")
    parser.add_argument("--only", action="append", choices=CONTENDERS, help="default: all contenders")
    parser.add_argument("--seconds", type=float, default=60, help="measured time of each run")
    parser.add_argument("--warm-up", type=float, default=5)
    parser.add_argument("--clients", type=int, help="so many, instead of the shape's")
    parser.add_argument("--small", action="store_true", help="few clients, few seconds: does it work at all?")
    parser.add_argument("--json", type=Path, default=ROOT / ".baleen" / "bench" / "fanout.json")
    return parser.parse_args()


def main() -> int:
    """Run what was asked for, print a table, write JSON; 1 when a small run found a flaw."""
    options = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every process it started is ended too
    raise_file_limit()
    seconds, warm_up = (2.0, 1.0) if options.small else (options.seconds, options.warm_up)
    runs = []
    for name in options.shape or (SMALL if options.small else SHAPES):
        shape = SHAPES[name].small() if options.small else SHAPES[name].of(options.clients)
        for contender in options.only or CONTENDERS:
            print(f"{shape.name}: {contender} …", file=sys.stderr, flush=True)
            runs.append(measure(shape, contender, warm_up=warm_up, seconds=seconds))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"machine": machine(), "seconds": seconds, "runs": runs}, indent=2))
    print(table(runs))
    found = [flaw for figures in runs for flaw in flaws(figures)] if options.small else []
    for flaw in found:
        print(flaw, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
