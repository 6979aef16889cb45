"""An alert's trace from its sender's header to each destination, over a real bus, collector and receiver."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

from alert_bridge.deliver.testing import release_lease
from baleen_bus import open_bus
from baleen_bus.testing import eventually
from baleen_runtime.collector import Collector
from baleen_runtime.exporting import traced
from baleen_runtime.settings import ServiceSettings, load_settings

SECRET = "whsec_" + base64.b64encode(b"x" * 24).decode()
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
BEFORE = f"00-{TRACE}-{PARENT}-01"
ALERT = {"alert_type": "rally", "source": "bot", "symbol": "SPY", "content": "buy low, sell high"}


@pytest.fixture
async def rules(nats_server, stranger, tmp_path):
    """Writes rules that tell a webhook, and a Discord channel as well where that is wanted."""
    async with open_bus(url=nats_server.url, name="test", connect_within=10) as bus:
        await release_lease(bus, "desk", "chat")
    desk = {"type": "webhook", "url": f"http://127.0.0.1:{stranger.port}/desk", "secret": SECRET}
    chat = {"type": "discord", "url": stranger.url}

    def write(*, both=False):
        places = {"desk": desk, "chat": chat} if both else {"desk": desk}
        said = {name: {**place, "allow_private": True} for name, place in places.items()}
        document = {"destinations": said, "routes": [{"name": "all", "to": list(said)}]}
        (tmp_path / "rules.yaml").write_text(json.dumps(document))
        return tmp_path / "rules.yaml"

    return write


@pytest.fixture
def exporting(monkeypatch):
    """A block in which this process exports to a collector, as a service's does."""

    def begin(collector):
        for name, value in collector.variables.items():
            monkeypatch.setenv(name, value)
        return traced(load_settings(ServiceSettings, collector.variables), "alert-bridge")

    return begin


@pytest.fixture
def stored_traceparent(nats_server):
    """Reads the header of an alert that the stream has."""

    async def read(seq):
        async with open_bus(url=nats_server.url, name="reader", connect_within=5) as bus:
            message = await bus.js.get_msg("ALERT", seq)
            return (message.headers or {}).get("traceparent")

    return read


async def post(bridge, *traceparents, path="/alerts"):
    """Post one alert with so many traceparents; its number in the stream."""
    headers = [("traceparent", text) for text in traceparents]
    answer = await bridge.client.post(path, json=ALERT, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.json()["seq"]


@pytest.mark.slow
async def test_one_trace_leads_from_the_senders_request_to_each_delivery(
    rules, process_with, stranger, stored_traceparent
):
    """Its parts know one another: request, storage, header on the bus, deliveries, header of the webhook."""
    with Collector() as collector:
        ours = {"ALERT_BRIDGE_RULES": str(rules(both=True)), **collector.variables}
        async with process_with(**ours) as bridge:
            await bridge.process.ready()
            seq = await post(bridge, BEFORE)
            await asyncio.to_thread(collector.wait, lambda heard: len(heard.named("deliver alert")) == 2)
            log = bridge.process.log_text()

    assert {span.trace for span in collector.spans} == {TRACE}
    assert {span.service for span in collector.spans} == {"alert-bridge"}
    [heard], [stored] = collector.named("POST /alerts"), collector.named("store alert")
    delivered = {span.attributes["baleen.destination"]: span for span in collector.named("deliver alert")}
    assert (heard.parent, heard.kind, heard.attributes["http.response.status_code"]) == (
        PARENT,
        "SERVER",
        202,
    )
    assert (stored.parent, stored.kind) == (heard.id, "PRODUCER")
    assert (stored.attributes["baleen.outcome"], stored.attributes["baleen.alert.seq"]) == ("stored", seq)
    assert await stored_traceparent(seq) == f"00-{TRACE}-{stored.id}-01"
    for span in delivered.values():
        assert (span.parent, span.kind, span.failed) == (stored.id, "CLIENT", False)
        assert (span.attributes["baleen.outcome"], span.attributes["baleen.attempt"]) == ("delivered", 1)
        assert span.attributes["baleen.alert.seq"] == seq
    [desk] = [asked for asked in stranger.posts if asked.path == "/desk"]
    [chat] = [asked for asked in stranger.posts if asked.path != "/desk"]
    assert desk.headers["traceparent"] == f"00-{TRACE}-{delivered['desk'].id}-01"
    assert "webhook-signature" in desk.headers
    assert "traceparent" not in chat.headers
    shown = json.dumps([span.attributes for span in collector.spans]) + log
    for secret in ("secret-token", SECRET, ALERT["content"]):
        assert secret not in shown


async def test_without_a_collector_the_senders_trace_goes_on_as_it_is(
    rules, bridge_with, stranger, stored_traceparent
):
    """Onto the bus and to the webhook; what is malformed or doubled goes nowhere, and the alert arrives."""
    async with bridge_with(rules=rules()) as bridge:
        await bridge.until_ready()
        seqs = [await post(bridge, *given) for given in ((BEFORE,), ("nonsense",), (BEFORE, BEFORE), ())]
        await eventually(lambda: len(stranger.posts) == len(seqs))

    assert [await stored_traceparent(seq) for seq in seqs] == [BEFORE, None, None, None]
    assert [asked.headers.get("traceparent") for asked in stranger.posts] == [BEFORE, None, None, None]


async def test_each_attempt_is_a_span_of_its_own(rules, bridge_with, exporting, stranger):
    """With its number, and why it had to be made again; an alert without a trace begins one."""
    stranger.says(500)
    with Collector() as collector:
        async with exporting(collector), bridge_with(rules=rules(), retry_within=0.2) as bridge:
            await bridge.until_ready()
            await post(bridge)
            await asyncio.to_thread(collector.wait, lambda heard: len(heard.named("deliver alert")) == 2)

    first, second = collector.named("deliver alert")
    said = [
        (span.attributes["baleen.attempt"], span.attributes["baleen.outcome"]) for span in (first, second)
    ]
    assert said == [(1, "later"), (2, "delivered")]
    assert (first.failed, second.failed) == (True, False)
    assert first.attributes["baleen.reason"] == first.attributes["error.type"] == "server_error"
    assert first.attributes["http.response.status_code"] == 500
    assert first.trace == second.trace == collector.named("POST /alerts")[0].trace != TRACE
    assert collector.named("POST /alerts")[0].parent == ""


async def test_alerts_of_one_message_each_go_on_with_their_own_trace(rules, bridge_with, exporting):
    """Discord is told several at once; each sender finds its alert's delivery."""
    traces = [f"{number:032x}" for number in range(1, 6)]
    with Collector() as collector:
        async with exporting(collector), bridge_with(rules=rules(both=True)) as bridge:
            await bridge.until_ready()
            await asyncio.gather(*(post(bridge, f"00-{trace}-{PARENT}-01") for trace in traces))
            await asyncio.to_thread(collector.wait, lambda heard: len(heard.named("deliver alert")) == 10)

    for place in ("desk", "chat"):
        spans = [
            span
            for span in collector.named("deliver alert")
            if span.attributes["baleen.destination"] == place
        ]
        assert sorted(span.trace for span in spans) == traces
    by_id = {span.id: span for span in collector.spans}
    for span in collector.named("deliver alert"):
        assert by_id[span.parent].name == "store alert"
        assert by_id[span.parent].attributes["baleen.alert.seq"] == span.attributes["baleen.alert.seq"]


async def test_a_trace_survives_the_spool(rules, bridge_with, nats_server, stranger, tmp_path):
    """What is kept while the bus is away goes on with its trace, as long as the process lives."""
    async with bridge_with(rules=rules(), spool=tmp_path / "spool.db", store_within=0.3) as bridge:
        await bridge.until_ready()
        nats_server.kill()
        await bridge.until_part("bus", "kept on disk")
        assert await post(bridge, BEFORE) is None
        nats_server.restart()
        await eventually(lambda: len(stranger.posts) == 1, within=40)

    assert stranger.posts[0].headers["traceparent"] == BEFORE


@pytest.mark.slow
async def test_a_collector_that_is_away_delays_nothing(rules, process_with, stranger):
    """Alerts are answered and delivered, one line says why no trace arrives, and leaving is not held up."""
    with Collector() as gone:
        pass
    async with process_with(ALERT_BRIDGE_RULES=str(rules()), **gone.variables) as bridge:
        await bridge.process.ready()
        for _ in range(3):
            await post(bridge, BEFORE)
            await eventually(lambda: "traces are not exported" in bridge.process.log_text(), within=30)
        await eventually(lambda: len(stranger.posts) == 3)
        assert bridge.process.leave(15) == 0
        log = bridge.process.log_text()

    assert log.count("traces are not exported") == 1
    assert "Connection refused" in log
