"""A release back, or an upgrade half done: services of today beside what a newer release says and keeps."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from nats.js.errors import NoStreamResponseError
from tests.alerts.bridges import Bridge, account_of, rules_file, write_sources
from tests.chaos.fleet import until
from websockets.asyncio.client import connect

from baleen_bus import Bus, fetch_newest, open_bus
from baleen_bus.bootstrap import bootstrap
from baleen_bus.reading import stream_epoch
from baleen_bus.streams import StreamSettings, stream_config
from baleen_bus.testing import NatsServer
from baleen_contracts import by_name, example
from baleen_contracts.catalogue import streams
from discord_simulator.testing import SimulatedDiscord
from ws_gateway.testing import GatewayProcess

TRADE = "uw.v1.option_trade.SPY"
NEWER_TRADE = "uw.v2.option_trade.SPY"
NEWER = {"settled_in": "tokens", "venue": {"name": "XNEW"}}
"""Fields that no release of today knows."""
SOON = 20.0


def newer(entity: str, **changed: Any) -> dict[str, Any]:
    """The body of a message as a newer release may send it: more fields, and words that are new."""
    return {**example(by_name(entity)), **NEWER, **changed}


async def say(bus: Bus, subject: str, body: dict[str, Any]) -> None:
    """Publish as a newer release would; returns when it is stored."""
    headers = {"Nats-Msg-Id": f"{subject}:{body['id']}", "ce-id": body["id"], "ce-type": "newer"}
    await bus.js.publish(f"ingress.{subject}", json.dumps(body).encode(), headers=headers)


async def has_newer_subjects(bus: Bus) -> None:
    """Let the tape keep a second major version of trades, as a newer release's bootstrap does."""
    patterns = [*streams()["TAPE"], "uw.v2.option_trade.*"]
    config = stream_config("TAPE", patterns, StreamSettings())
    await bus.request_json("$JS.API.STREAM.UPDATE.TAPE", config)


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[Bus]:
    """A connection of somebody newer."""
    async with open_bus(url=nats_server.url, name="newer", connect_within=10) as bus:
        yield bus


@pytest.mark.slow
async def test_a_gateway_shows_what_it_knows_and_hands_on_the_rest(nats_server: NatsServer, bus: Bus) -> None:
    """A native client gets the body as it stands; older routes say what they say of every trade."""
    body = newer("option_trade", symbol="SPY", side="auction")
    with GatewayProcess(nats_server.url) as gateway:
        async with (
            connect(f"{gateway.ws}/v1/stream") as native,
            connect(f"{gateway.ws}/api/stream/ws/option-trades/SPY") as older,
        ):
            await native.send(json.dumps({"op": "subscribe", "id": 1, "topics": [TRADE]}))
            await frame(native, "snapshot_end")
            await say(bus, TRADE, body)

            told = await frame(native, "event")
            shown = json.loads(await older.recv())

    assert told["data"] == body
    assert (shown["symbol"], shown["strike"]) == (body["symbol"], body["strike"])


@pytest.mark.slow
async def test_a_bridge_tells_an_alert_of_a_newer_one(
    nats_server: NatsServer, bus: Bus, tmp_path: Path
) -> None:
    """Fields and severities that are new keep nobody from being told."""
    write_sources(tmp_path / "sources.json", "monitor")
    async with SimulatedDiscord.in_process() as discord:
        rules = rules_file(tmp_path, {"alerts": {"type": "discord", "url": discord.url_of("alerts")}})
        variables = {
            "ALERT_BRIDGE_SOURCES": str(tmp_path / "sources.json"),
            "ALERT_BRIDGE_RULES": str(rules),
        }
        bridge = Bridge("older", nats_server.url, tmp_path, variables)
        try:
            bridge.start()
            await bridge.ready()
            await say(
                bus, "alert.v1.newer.SPY", newer("alert", severity="catastrophic", content="mark:newer")
            )

            async def told() -> bool:
                return bool((await account_of(bridge))["alerts"]["delivered"])

            await until(told, "the alert is told", SOON)
        finally:
            bridge.kill()
        assert [entry["marks"] for entry in await discord.entries(webhook="alerts")] == [["newer"]]


@pytest.mark.slow
async def test_two_major_versions_stand_beside_each_other(nats_server: NatsServer, bus: Bus) -> None:
    """A gateway that knows only the first goes on with it, whatever else its stream holds."""
    await has_newer_subjects(bus)
    with GatewayProcess(nats_server.url) as gateway:
        async with connect(f"{gateway.ws}/v1/stream") as native:
            await native.send(json.dumps({"op": "subscribe", "id": 1, "topics": ["uw.v1.>"]}))
            await frame(native, "snapshot_end")
            for number in range(3):
                body = newer("option_trade", id=f"t{number}", symbol="SPY")
                await say(bus, NEWER_TRADE, {**body, "id": f"v2-{number}"})
                await say(bus, TRADE, body)
            heard = [(await frame(native, "event"))["data"]["id"] for _ in range(3)]

            await native.send(json.dumps({"op": "subscribe", "id": 2, "topics": ["uw.v2.option_trade.*"]}))
            answer = await frame(native, "error")

    assert heard == ["t0", "t1", "t2"]
    assert answer["id"] == 2


async def test_an_older_bootstrap_takes_the_subjects_and_leaves_the_messages(
    nats_server: NatsServer, bus: Bus
) -> None:
    """What is stored stays, and positions hold; what is said on the newer subject is stored no more."""
    await has_newer_subjects(bus)
    await say(bus, NEWER_TRADE, newer("option_trade", id="before"))
    epoch = await stream_epoch(bus, "TAPE")

    await bootstrap(url=nats_server.url)

    assert await stream_epoch(bus, "TAPE") == epoch
    assert [item.subject for item in await fetch_newest(bus, "TAPE", ">", 10)] == [NEWER_TRADE]
    with pytest.raises(NoStreamResponseError):
        await say(bus, NEWER_TRADE, newer("option_trade", id="after"))
    await has_newer_subjects(bus)
    await say(bus, NEWER_TRADE, newer("option_trade", id="after"))


async def frame(line: Any, op: str) -> dict[str, Any]:
    """Read until a frame with this `op`."""
    while True:
        told: dict[str, Any] = json.loads(await line.recv())
        if told["op"] == op:
            return told
