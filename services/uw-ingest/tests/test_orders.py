"""What others may ask over the bus."""

import json
from typing import Any

import pytest

from baleen_bus.connection import Bus, open_bus
from baleen_bus.testing import NatsServer
from baleen_contracts.command import RECONNECT_SUBJECT
from uw_ingest.fleet.orders import refusal
from uw_simulator.testing import Simulator


@pytest.mark.parametrize(
    ("body", "since_last", "code"),
    [
        (b'{"action":"reconnect"}', 60.0, None),
        (b'{"action":"reconnect"}', 59.0, "TOO_SOON"),
        (b'{"action":"dance"}', 60.0, "UNKNOWN_ACTION"),
        (b'{"do":"it"}', 60.0, "BAD_REQUEST"),
        (b"\xff", 60.0, "BAD_REQUEST"),
    ],
)
def test_an_order_is_refused_with_a_code(body: bytes, since_last: float, code: str | None):
    """Nonsense, other actions, and a second order within a minute."""
    reply = refusal(body, since_last=since_last)

    assert (reply.code if reply else None) == code


async def test_a_reconnect_is_done_when_it_is_answered(
    nats_server: NatsServer, bus: Bus, ingest_running: Any, eventually: Any
):
    """The answer comes when a new socket is open; a second order within the minute is refused."""
    async with (
        Simulator.in_process() as upstream,
        ingest_running(nats_server, upstream.http_url, channels="news") as ingest,
    ):
        await eventually(ingest.joined, "news is joined")
        order = {"action": "reconnect", "client": "test"}
        first = await bus.request_json(RECONNECT_SUBJECT, order, within=5)
        assert (await ingest.status())["connection"]["opened_times"] == 2
        second = await bus.request_json(RECONNECT_SUBJECT, order, within=5)
        await eventually(ingest.joined, "news is joined again")
        assert not any((await upstream.control.violations()).values())

    assert first == {"ok": True}
    assert second["code"] == "TOO_SOON", json.dumps(second)


async def test_an_order_does_not_storm_an_upstream_that_refuses_sockets(
    nats_server: NatsServer, bus: Bus, ingest_running: Any, eventually: Any
):
    """A socket that was one too many rests for its time, whoever orders otherwise; the answer says why."""

    async def cooling() -> bool:
        return bool((await ingest.status())["connection"]["state"] == "cooling")

    async with Simulator.in_process() as upstream:
        await upstream.control.close_after_accept(1_000)
        async with ingest_running(nats_server, upstream.http_url, channels="news") as ingest:
            await eventually(cooling, "the socket is refused")
            reply = await bus.request_json(RECONNECT_SUBJECT, {"action": "reconnect"}, within=5)
            tried = (await upstream.control.state())["counts"]["handshakes_accepted"]

    assert (reply["ok"], reply["code"], tried) == (False, "NOT_CONNECTED", 1)
    assert "one socket too many" in reply["message"]


async def test_the_gateways_user_may_ask_and_is_answered(
    nats_server_with_users: NatsServer, ingest_running: Any, eventually: Any
):
    """With everybody held to their permissions, order and answer still find their way."""
    server = nats_server_with_users
    user = {"nats_user": "uw-ingest", "nats_password": server.passwords["uw-ingest"]}
    async with (
        Simulator.in_process() as upstream,
        ingest_running(server, upstream.http_url, channels="news", **user) as ingest,
        open_bus(url=server.url, name="gateway", **server.credentials("ws-gateway")) as gateway,
    ):
        await eventually(ingest.joined, "news is joined")

        assert (await gateway.request_json(RECONNECT_SUBJECT, {"action": "reconnect"}, within=5))[
            "ok"
        ] is True
