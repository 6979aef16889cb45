"""The swarm as a process, against a server whose stream is known to the byte."""

import json
import time
from pathlib import Path

import pytest
from bench import native
from bench.processes import Process
from bench.pump import Pump, measure


@pytest.fixture(params=["native", "python"])
def reader(request, monkeypatch) -> str:
    """Which reader a swarm takes."""
    if request.param == "python":
        monkeypatch.setenv("CC", "no-such-compiler")
    elif native.compiler() is None:
        pytest.skip("there is no C compiler here")
    return request.param


def test_it_counts_what_was_sent(reader):
    """Forty clients at 200 messages a second: all arrive, none is missing, the clock makes sense."""
    result = measure(clients=40, rate=200, seconds=1, flush_seconds=0.01)

    assert result["reader"] == reader
    assert 7000 < result["events"] < 9000
    assert result["missing_or_doubled"] == 0
    assert result["totals"]["strict_findings"] == []
    assert 0 <= result["latency_sample"]["p50_ms"] < 1000


def a_swarm(pump: Pump, clients: int, directory: Path, *, strict: int) -> Process:
    """A swarm process of *clients* on *pump*."""
    arguments = ("--url", pump.url, "--clients", str(clients), "--strict", str(strict))
    return Process.python("swarm", "-m", "bench.swarm", *arguments, directory=directory)


@pytest.mark.parametrize("strict", [1, 4])
def test_it_notices_a_lost_message(tmp_path, reader, strict):
    """One message that no client gets is one hole for each, and the strict ones say which."""
    with (
        Pump(clients=4, rate=200, drop=frozenset({150}), flush_seconds=0.01) as pump,
        a_swarm(pump, 4, tmp_path, strict=strict) as swarm,
    ):
        assert swarm.hear()["ready"] == 4
        begin = time.monotonic() + 0.2
        swarm.say({"measure": [begin, begin + 1.5]})
        result = swarm.hear()["result"]

    assert result["reader"] == reader
    assert result["missing_or_doubled"] == 4
    assert json.dumps(result["totals"]["strict_findings"]).count("message 151 follows 149") == strict
