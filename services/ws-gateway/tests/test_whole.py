"""What a probe and Prometheus are told of several workers."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ws_gateway.fleet.whole import health_of, metrics_of

READY: dict[str, Any] = {"listening": True, "ready": True, "parts": {"bus": "ok", "streams": "ok"}}
WAITING: dict[str, Any] = {"listening": True, "ready": False, "parts": {"bus": "ok", "streams": "TAPE: none"}}


def text_of(connections: int, closes: int) -> str:
    """Return what one worker tells Prometheus."""
    registry = CollectorRegistry()
    Gauge("baleen_gateway_connections", "Clients.", registry=registry).set(connections)
    Counter("baleen_gateway_closes", "Ends.", ["reason"], registry=registry).labels("silent").inc(closes)
    return generate_latest(registry).decode()


def test_all_are_ready_when_every_worker_that_runs_is():
    """The one that is being started again gets no connections, so that its absence is only told."""
    assert health_of({1: READY, 2: READY}, running=2, wanted=2) == (
        True,
        {"workers": "2 of 2 serve", "bus": "ok", "streams": "ok"},
    )
    assert health_of({1: READY}, running=1, wanted=2)[0]


def test_one_that_is_not_ready_makes_all_not_ready():
    """It gets its share of the connections, so the reason names it."""
    ready, parts = health_of({1: READY, 2: WAITING}, running=2, wanted=2)
    assert not ready
    assert parts["streams"] == "worker 2: TAPE: none"
    assert parts["bus"] == "ok"


def test_one_that_does_not_answer_and_nobody_at_all_are_not_ready():
    """Silence is no sign of health."""
    ready, parts = health_of({1: READY, 2: None}, running=2, wanted=2)
    assert not ready
    assert parts["answer"] == "worker 2: does not answer"
    assert health_of({}, running=0, wanted=2) == (False, {"workers": "0 of 2 serve"})


def test_every_sample_names_its_worker_and_no_family_comes_twice():
    """So that the counters of one that is started again begin anew without the sum going down."""
    text = metrics_of({1: text_of(3, 1), 2: text_of(4, 0)}, running=2, restarts=5).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}

    assert text.count("# TYPE baleen_gateway_connections gauge") == 1
    connections = {s.labels["worker"]: s.value for s in families["baleen_gateway_connections"].samples}
    assert connections == {"1": 3, "2": 4}
    closes = families["baleen_gateway_closes"].samples
    assert {"worker": "1", "reason": "silent"} in [sample.labels for sample in closes]
    assert families["baleen_gateway_workers"].samples[0].value == 2
    assert families["baleen_gateway_worker_restarts"].samples[0].value == 5
