"""The swarm as a process, against a server whose stream is known to the byte."""

import json
import time
from pathlib import Path

from bench.processes import Process
from bench.pump import Pump, measure


def test_it_counts_what_was_sent():
    """Forty clients at 200 messages a second: all arrive, none is missing, the clock makes sense."""
    result = measure(clients=40, rate=200, seconds=1, flush_seconds=0.01)

    assert 7000 < result["events"] < 9000
    assert result["missing_or_doubled"] == 0
    assert result["totals"]["strict_findings"] == []
    assert 0 <= result["latency_sample"]["p50_ms"] < 1000


def a_swarm(pump: Pump, clients: int, directory: Path) -> Process:
    """A swarm process of *clients* on *pump*."""
    arguments = ("--url", pump.url, "--clients", str(clients))
    return Process.python("swarm", "-m", "bench.swarm", *arguments, directory=directory)


def test_it_notices_a_lost_message(tmp_path):
    """One message that no client gets is one hole for each, and the strict ones say which."""
    with (
        Pump(clients=4, rate=200, drop=frozenset({150}), flush_seconds=0.01) as pump,
        a_swarm(pump, 4, tmp_path) as swarm,
    ):
        assert swarm.hear()["ready"] == 4
        begin = time.monotonic() + 0.2
        swarm.say({"measure": [begin, begin + 1.5]})
        result = swarm.hear()["result"]

    assert result["missing_or_doubled"] == 4
    assert "message 151 follows 149" in json.dumps(result["totals"]["strict_findings"])
