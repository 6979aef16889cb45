"""Who is let in on loopback, and what is said when the bridge itself fails."""

import asyncio

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from alert_bridge.account.books import Books
from alert_bridge.metrics import Metrics
from alert_bridge.receive.desk import Desk
from alert_bridge.receive.door import means_loopback
from alert_bridge.receive.mint import Mint
from alert_bridge.receive.sources import Sources, add_source
from alert_bridge.service import _app
from alert_bridge.settings import Settings
from alert_bridge.store.outlet import Outlet
from baleen_runtime.clock import SystemClock
from baleen_runtime.health import Health
from baleen_runtime.serve import listen_on, serve

BARE = {"alert_type": "dp_alert", "source": "monitor"}
EVIL = {"Host": "evil.example:8002"}


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:8002", "127.9.9.9:1", "[::1]", "[::1]:8002"],
)
def test_loopback_has_these_names(host):
    """localhost, 127.0.0.0/8 and ::1, with any port or none."""
    assert means_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":8002",
        "[]",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:8002",
        "localhost:8002@evil.example",
        "localhost:x",
        "[::1]evil.example",
        "[127.0.0.1",
        "10.0.0.1",
        "192.168.0.1:8002",
        "[fe80::1]:8002",
        "localhost\n",
    ],
)
def test_other_names_are_not_loopback(host):
    """Whatever merely looks like it is not."""
    assert not means_loopback(host)


async def test_a_request_for_another_host_is_421(bridge, alerts):
    """A page that made its own name mean this machine gets nothing, and an operator reads the cure."""
    refused = [
        await bridge.client.post("/alerts", json=BARE, headers=EVIL),
        await bridge.client.post("/alerts", json=BARE, headers={**EVIL, "Authorization": "Bearer wrong"}),
        *[await bridge.client.get(path, headers=EVIL) for path in ("/metrics", "/readyz", "/nothing")],
    ]

    assert {answer.status_code for answer in refused} == {421}
    assert {answer.headers["content-type"] for answer in refused} == {"application/json"}
    assert all("ALERT_BRIDGE_AUTH_NONE_ANYWHERE=true" in answer.json()["message"] for answer in refused)
    assert await alerts() == []
    name = 'baleen_alert_bridge_requests_total{dialect="json",outcome="misdirected"}'
    assert await bridge.metric(name) == 2


async def test_a_token_is_good_under_any_name(bridge):
    """A webhook has its token in the path, and a source's bearer token opens /alerts."""
    bearer = {"Authorization": f"Bearer {bridge.source.token}"}
    versioned = bridge.webhook.replace("/api/", "/api/v10/")

    answers = [
        await bridge.client.post(bridge.webhook, json={"content": "x"}, headers=EVIL),
        await bridge.client.post(versioned, json={"content": "x"}, headers=EVIL),
        await bridge.client.post("/alerts", json={"alert_type": "a"}, headers={**EVIL, **bearer}),
        await bridge.client.post("/alerts", json=BARE, headers={"Host": "localhost:1"}),
    ]

    assert [answer.status_code for answer in answers] == [204, 204, 202, 202]


async def test_said_twice_any_name_is_good(bridge_with):
    """An operator who opened the door to everybody opened it under every name."""
    async with bridge_with(auth_none_anywhere=True) as bridge:
        await bridge.until_ready()
        answer = await bridge.client.post("/alerts", json=BARE, headers=EVIL)

    assert answer.status_code == 202


class BrokenOutlet(Outlet):
    """An outlet with a defect that no route foresees."""

    async def store(self, alert):
        """Fail, with what it was given in the message."""
        raise RuntimeError(f"defect near the secret {alert.content}")


async def test_a_defect_is_answered_in_discords_words(tmp_path):
    """500 as exact JSON with Via on every route, counted, and nothing of the cause in it."""
    source = add_source(tmp_path / "s.json", "bot")
    registry = CollectorRegistry()
    outlet = BrokenOutlet(within=1, at_most=1)
    clock = SystemClock()
    desk = Desk(Settings(port=0), Sources([source], clock), outlet, Metrics(registry), Mint(1), clock)
    stop, listening = asyncio.Event(), asyncio.get_running_loop().create_future()
    app = _app(desk, Health("alert-bridge"), registry, Books())
    sockets = [listen_on("127.0.0.1", 0)]
    serving = asyncio.create_task(
        serve(app, sockets=sockets, stop=stop, on_listening=listening.set_result, ws="none")
    )
    base_url = f"http://127.0.0.1:{await listening}"
    async with httpx.AsyncClient(base_url=base_url) as client:
        said = {"content": "hunter2"}
        plain = await client.post("/alerts", json={**BARE, **said})
        discord = await client.post(f"/api/webhooks/{source.id}/{source.token}", json=said)
    stop.set()
    await serving

    for answer in (plain, discord):
        assert answer.status_code == 500
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["via"]
        assert answer.content == b'{"message":"500: Internal Server Error","code":0}'
    counted = generate_latest(registry).decode()
    for dialect in ("json", "discord"):
        assert f'requests_total{{dialect="{dialect}",outcome="failed"}} 1.0' in counted
