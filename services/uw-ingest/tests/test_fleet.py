"""Several replicas on one bus: they share the sockets, take over, hand over, and do what anybody wishes."""

import time
from typing import Any

import pytest

from baleen_bus import demand
from baleen_bus.connection import Bus
from baleen_bus.testing import NatsServer
from baleen_contracts.feed import FeedGap, FeedStatus
from uw_ingest.slots.slot import Slot
from uw_simulator.testing import Simulator


async def slots(ingest: Any) -> dict[int, str | None]:
    """Who holds which slot, as a replica says."""
    page = (await ingest.http.get("/budget")).json()
    return {slot["slot"]: slot["holder"] for slot in page["sockets"]["slots"]}


async def channels(ingest: Any) -> dict[str, str]:
    """What the plan joins, and how far each join has come."""
    page = (await ingest.http.get("/budget")).json()
    return {channel["channel"]: channel["state"] for channel in page["channels"]}


async def test_two_replicas_open_one_socket_and_both_are_ready(
    nats_server: NatsServer, ingest_running: Any, eventually: Any
):
    """The fewest sockets that fit; who has none stands by, knows all, and is ready."""
    async with (
        Simulator.in_process() as upstream,
        ingest_running(nats_server, upstream.http_url, channels="news", replica="a") as first,
    ):
        await eventually(first.joined, "news is joined")
        async with ingest_running(nats_server, upstream.http_url, channels="news", replica="b") as second:
            await eventually(second.ready, "the second stands by")
            assert (await second.status())["connection"]["state"] == "standby"
            assert await slots(second) == {1: "a", 2: None, 3: None}
            assert await channels(second) == {"news": "joined"}
        assert not any((await upstream.control.violations()).values())


async def test_a_replica_that_leaves_hands_over_without_a_gap(
    nats_server: NatsServer, ingest_running: Any, eventually: Any, stored: Any
):
    """Another socket joins first, the old one is closed then, and no limit is exceeded meanwhile."""
    async with Simulator.in_process(source="synthetic", rate=200) as upstream:
        async with ingest_running(
            nats_server, upstream.http_url, channels="option_trades,news", replica="b"
        ) as second:
            async with ingest_running(
                nats_server, upstream.http_url, channels="option_trades,news", replica="a"
            ) as first:
                await eventually(first.ready, "both run")
                await eventually(second.ready, "both run")
                holder, other = (first, second) if await first.joined() else (second, first)
                await eventually(holder.joined, "one has joined")
                assert (await other.status())["connection"]["state"] == "standby"
            # "a" has left; whoever it was, "b" has everything now
            await eventually(second.joined, "the other has taken over")
            await eventually(lambda: _more(second), "data flows")
        assert not any((await upstream.control.violations()).values())
    assert [FeedGap.model_validate_json(item.body) for item in await stored("feed_gap")] == []


async def _more(ingest: Any) -> bool:
    return await ingest.counter("accepted") > 100


@pytest.mark.slow
async def test_a_replica_that_gets_no_time_while_it_looks_loses_its_slot_and_goes_on(
    nats_server: NatsServer, ingest_running: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
):
    """The lease ends under its hands, in the middle of a look; it takes the slot again and runs on."""
    asked = Slot.news
    starved: list[bool] = []

    def news(slot: Slot) -> bool:
        if slot.feed.protocol.accepted and not starved:
            starved.append(True)
            time.sleep(6)  # the lease's length; nothing else of the process runs meanwhile
            return True
        return asked(slot)

    async with (
        Simulator.in_process() as upstream,
        ingest_running(nats_server, upstream.http_url, channels="news") as ingest,
    ):
        await eventually(ingest.joined, "news is joined")
        monkeypatch.setattr(Slot, "news", news)
        await eventually(lambda: bool(starved), "it was starved")
        await eventually(ingest.joined, "it has joined again")


async def test_a_wish_is_joined_and_left_again(
    nats_server: NatsServer, bus: Bus, ingest_running: Any, eventually: Any
):
    """For as long as the block lasts, and a while after."""
    async with (
        Simulator.in_process() as upstream,
        ingest_running(nats_server, upstream.http_url, channels="news", linger=0.5) as ingest,
    ):
        await eventually(ingest.joined, "news is joined")
        async with demand("uw.v1.gex.SPY", wisher="test", bus=bus):
            await eventually(
                lambda: _is(ingest, {"news": "joined", "gex:SPY": "joined"}), "the wish is served"
            )
        await eventually(lambda: _is(ingest, {"news": "joined"}), "it is left")


async def _is(ingest: Any, expected: dict[str, str]) -> bool:
    return await channels(ingest) == expected


async def test_a_wish_that_cannot_be_served_is_answered_with_why(
    nats_server: NatsServer, bus: Bus, ingest_running: Any, eventually: Any, stored: Any
):
    """As the status of a feed that is called as the topic, and at /budget; a malformed wish costs nothing."""
    async with (
        Simulator.in_process() as upstream,
        ingest_running(nats_server, upstream.http_url, channels="news") as ingest,
    ):
        await eventually(ingest.joined, "news is joined")
        await bus.js.publish("$KV.demand.team.stranger.x", b"\xff{")
        async with demand("uw.v1.net_flow.*", wisher="test", bus=bus):

            async def refused() -> str | None:
                told = [FeedStatus.model_validate_json(item.body) for item in await stored("feed_status")]
                return next((s.detail for s in told if s.state == "refused"), None)

            why = await eventually(refused, "the wisher is told")
            page = (await ingest.http.get("/budget")).json()

    assert "ticker" in why
    assert [(wish["topic"], "ticker" in wish["why"]) for wish in page["unserved"]] == [
        ("uw.v1.net_flow.*", True)
    ]
    assert any("uw.v1.net_flow.*" in one["what"] for one in page["trouble"])


@pytest.mark.parametrize("body", [b"no json", b'{"joins":{"1":["news"]}}', b"[]"])
async def test_a_plan_that_a_stranger_wrote_is_replaced(
    body: bytes, nats_server: NatsServer, bus: Bus, ingest_running: Any, eventually: Any
):
    """It is counted, logged once, and nothing else is disturbed."""
    async with (
        Simulator.in_process() as upstream,
        ingest_running(nats_server, upstream.http_url, channels="news") as ingest,
    ):
        await eventually(ingest.joined, "news is joined")
        await bus.js.publish("$KV.budget.plan", body)
        async with demand("uw.v1.gex.SPY", wisher="test", bus=bus):
            await eventually(lambda: _is(ingest, {"news": "joined", "gex:SPY": "joined"}), "planning goes on")


async def test_a_reconnect_is_ordered_over_http_too(
    nats_server: NatsServer, ingest_running: Any, eventually: Any
):
    """Whichever replica is asked, the one with the socket obeys; a second order is too soon."""
    async with (
        Simulator.in_process() as upstream,
        ingest_running(nats_server, upstream.http_url, channels="news", replica="a") as first,
        ingest_running(nats_server, upstream.http_url, channels="news", replica="b") as second,
    ):
        await eventually(first.ready, "both run")
        await eventually(second.ready, "both run")
        answers = [await second.http.post("/reconnect", timeout=10) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 429]
