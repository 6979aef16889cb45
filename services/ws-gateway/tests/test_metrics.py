"""What Prometheus reads: well formed, complete from the start, and never a ticker, a client or an address."""

from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

LABELS = {"reason", "code", "how", "dialect", "le"}


def samples(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Return labels and value of every sample, by its name."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


async def test_metrics_hold_closed_labels_only(live: Any):
    """Whatever tickers, filters and wrong requests clients bring."""
    live.say("uw.v1.gex.SECRETS")
    paths = ("/v1/stream", "/api/stream/ws/gex/SECRETS", "/api/v1/ws/market/SECRETS", "/api/v1/ws/signals")
    clients = [await live.connect(path) for path in paths]
    await live.ask(clients[0], op="subscribe", topics=["uw.v1.gex.SECRETS"], filter="total_gex > 5")
    await live.ask(clients[0], op="SECRETS")
    text = live.metrics()
    for client in clients:
        await client.close()

    assert "SECRETS" not in text
    assert "127.0.0.1" not in text
    told = samples(text)
    assert {label for found in told.values() for labels, _ in found for label in labels} <= LABELS
    dialects = {labels["dialect"]: count for labels, count in told["baleen_gateway_clients"]}
    assert sum(dialects.values()) == len(paths)
    assert {"native", "alpha_terminal", "alpha_terminal.signals"} < set(dialects)


async def test_snapshots_are_counted_by_their_size(live: Any):
    """Of clients that get one by coming, and of those that ask."""
    for number in range(12):
        live.say(f"uw.v1.price.T{number}")
    async with live.connect() as client:
        await live.hear(client)
        await client.send('{"op":"subscribe","topics":["uw.v1.price.*"]}')
        while (await live.hear(client))["op"] != "snapshot_end":
            pass
        async with live.connect("/api/stream/ws/flow"):
            await live.until(lambda: len(live.gateway.hub) == 2)
            told = samples(live.metrics())

    at_most = {labels["le"]: count for labels, count in told["baleen_gateway_snapshot_messages_bucket"]}
    assert (at_most["0"], at_most["10"], at_most["50"], at_most["+Inf"]) == (1, 1, 2, 2)
    assert told["baleen_gateway_snapshot_messages_sum"] == [({}, 12.0)]


async def test_what_upstream_is_wished_for_is_counted(live: Any):
    """Topics, not clients; the alerts are not upstream's."""
    async with live.connect() as one, live.connect() as other:
        for client in (one, other):
            await live.subscribed(client, "uw.v1.gex.SPY", "alert.v1.>")
        live.gateway.fleet.demand.wanted.settle(0.0)
        assert samples(live.metrics())["baleen_gateway_wishes"] == [({}, 1.0)]
