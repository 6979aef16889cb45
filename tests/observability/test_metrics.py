"""The catalogue of metrics is what running services show; `docs/metrics.md` is the catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import httpx
import pytest
from observability.catalogue import CATALOGUE, LABELS_PER_WORKER, OURS, Metric
from observability.metrics_page import PAGE, page
from prometheus_client.parser import text_string_to_metric_families
from tests.observability.platform_running import Running, running_platform

FLOWS_WITHIN = 60.0
SERVES = "baleen_gateway_worker"
"""Metrics of this prefix are about the workers, and so are of none."""


def test_the_page_is_what_the_catalogue_says():
    """Whoever changes one writes the other."""
    assert PAGE.read_text() == page()


def against_conventions(metrics: Iterable[Metric]) -> list[str]:
    """What breaks Prometheus' conventions, or tells what nobody may know."""
    found = []
    for metric in metrics:
        if (metric.kind == "counter") != metric.name.endswith("_total"):
            found.append(f"{metric.name}: a counter, and nothing else, ends with _total")
        if re.search(r"_(ms|milliseconds|minutes|hours|days|kb|mb|mib|percent)(_|$)", metric.name):
            found.append(f"{metric.name}: seconds, bytes and ratios, not multiples of them")
        forbidden = {"symbol", "ticker", "client", "user", "address", "id", "url", "token", "message"}
        found += [f"{metric.name}: {label} is without bounds" for label in forbidden & {*metric.labels}]
        if not metric.name.startswith("baleen_"):
            found.append(f"{metric.name}: is not of this application")
    return found


def test_names_follow_the_conventions():
    """Base units, counters that say so, one prefix, no label without bounds."""
    assert against_conventions(OURS) == []
    wrong = (
        Metric("baleen_x_calls", "counter", (), "", ""),
        Metric("baleen_x_wait_ms", "gauge", (), "", ""),
        Metric("baleen_x_prices_total", "counter", ("symbol",), "", ""),
        Metric("x_things", "gauge", (), "", ""),
    )
    assert len(against_conventions(wrong)) == len(wrong)


def test_no_metric_is_written_down_twice():
    """One name, one meaning."""
    names = [metric.name for metric in CATALOGUE]
    assert len(names) == len(set(names))


@dataclass(frozen=True)
class Family:
    """What a service shows of one metric; *labels* are those of its samples, of which there may be none."""

    name: str
    kind: str
    meaning: str
    labels: frozenset[str] | None


def families(text: str) -> Iterator[Family]:
    """The families of an exposition; a `_created` beside a counter is part of it."""
    for family in text_string_to_metric_families(text):
        if family.name.endswith("_created"):
            continue
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for sample in family.samples for label in sample.labels} - {"le", LABELS_PER_WORKER}
        yield Family(name, family.type, family.documentation, frozenset(labels) if family.samples else None)


def differences(shown: Sequence[Family], written: Sequence[Metric]) -> list[str]:
    """Where a service and the catalogue disagree, either way."""
    by_name = {metric.name: metric for metric in written}
    found = [f"{name} is in the catalogue only" for name in {*by_name} - {one.name for one in shown}]
    for one in shown:
        metric = by_name.get(one.name)
        if metric is None:
            found.append(f"{one.name} is not in the catalogue")
            continue
        if (one.kind, one.meaning) != (metric.kind, metric.meaning):
            found.append(f"{one.name} is a {one.kind}: {one.meaning!r}")
        if one.labels is not None and one.labels != {*metric.labels}:
            found.append(f"{one.name} has the labels {sorted(one.labels)}")
    return found


SHOWN = """# HELP baleen_x_calls_total Calls.
# TYPE baleen_x_calls_total counter
baleen_x_calls_total{status="200"} 1
# HELP baleen_x_rare_total Rare.
# TYPE baleen_x_rare_total counter
"""


CALLS = ("baleen_x_calls_total", "counter", ("status",), "Calls.")
RARE = ("baleen_x_rare_total", "counter", ("why",), "Rare.")


@pytest.mark.parametrize(
    ("written", "differ"),
    [
        ([CALLS, RARE], 0),
        ([CALLS], 1),
        ([CALLS, RARE, ("baleen_x_more", "gauge", (), "")], 1),
        ([("baleen_x_calls_total", "gauge", ("status",), "Calls."), RARE], 1),
        ([("baleen_x_calls_total", "counter", ("code",), "Calls."), RARE], 1),
        ([("baleen_x_calls_total", "counter", ("status",), "Else."), RARE], 1),
    ],
)
def test_a_difference_is_seen(written: list[tuple[str, str, tuple[str, ...], str]], differ: int):
    """A name too many or too few, another type, other labels, another meaning."""
    assert len(differences([*families(SHOWN)], [Metric(*row, "x") for row in written])) == differ


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The platform, with everything on that makes metrics appear."""
    with running_platform(tmp_path_factory.mktemp("platform")) as platform:
        yield platform


@pytest.fixture(scope="module")
def busy(running: Running) -> Running:
    """The platform, once data has flowed to the end and an alert was tried."""
    alert = {"alert_type": "dp_alert", "source": "monitor"}

    def told() -> bool:
        return "baleen_alert_bridge_send_seconds_count{" in running.metrics("alert-bridge")

    def counted() -> bool:
        text = running.metrics("uw-ingest")
        return "baleen_ingest_rest_day_limit " in text and "baleen_ingest_socket_ceiling " in text

    def sees_data() -> bool:
        text = running.metrics("ws-gateway")
        counts = re.findall(r"^baleen_gateway_messages_total\S* (\S+)", text, re.MULTILINE)
        return sum(map(float, counts)) > 0

    def taken() -> bool:
        url = f"{running.urls['alert-bridge']}/alerts"
        return httpx.post(url, json=alert, timeout=10, trust_env=False).is_success

    running.until(taken, "the bridge takes an alert", FLOWS_WITHIN)
    running.until(told, "it is tried", FLOWS_WITHIN)
    running.until(counted, "uw-ingest has a plan and has asked", FLOWS_WITHIN)
    running.until(sees_data, "data reaches the gateway", FLOWS_WITHIN)
    running.until(lambda: "account_accepted{" in running.metrics("alert-bridge"), "the account", FLOWS_WITHIN)
    return running


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("job", sorted({metric.job for metric in OURS}))
def test_services_show_what_the_catalogue_has(busy: Running, job: str):
    """Names, types, labels and meanings, both ways."""
    assert differences([*families(busy.metrics(job))], [metric for metric in OURS if metric.job == job]) == []


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_all_of_a_gateway_is_told_by_worker(busy: Running):
    """But what is about the workers."""
    for family in text_string_to_metric_families(busy.metrics("ws-gateway")):
        if family.name.startswith(SERVES) and not family.name.startswith(f"{SERVES}s_known"):
            continue
        assert all(LABELS_PER_WORKER in sample.labels for sample in family.samples), family.name
