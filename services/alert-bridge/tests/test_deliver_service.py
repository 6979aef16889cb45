"""The whole bridge: an alert comes in over HTTP and goes out over HTTP, by a file of rules that changes."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from alert_bridge.deliver.testing import release_lease
from baleen_bus import open_bus
from baleen_bus.bootstrap import bootstrap
from baleen_bus.testing import NatsServer, eventually

SECRET = "whsec_" + base64.b64encode(b"x" * 24).decode()


@dataclass
class Hook:
    """A web server that takes messages."""

    port: int = 0
    got: list[str] = field(default_factory=list)
    status: int = 200

    @property
    def url(self) -> str:
        """Where it takes them."""
        return f"http://127.0.0.1:{self.port}/hook"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Takes one connection's messages."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.split("content-length:")[1].split("\r\n")[0])
                body = json.loads(await reader.readexactly(length))
                self.got.append(body["data"]["content"])
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % self.status)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@asynccontextmanager
async def hooked() -> AsyncIterator[Hook]:
    """A hook until the block ends."""
    hook = Hook()
    server = await asyncio.start_server(hook.serve, "127.0.0.1", 0)
    hook.port = server.sockets[0].getsockname()[1]
    try:
        yield hook
    finally:
        server.close()


def write_rules(path: Path, **hooks: Hook) -> Path:
    """Rules that tell these destinations everything."""
    destinations = {
        name: {"type": "webhook", "url": hook.url, "secret": SECRET, "allow_private": True}
        for name, hook in hooks.items()
    }
    routes = [{"name": "all", "to": list(hooks)}] if hooks else []
    path.write_text(json.dumps({"destinations": destinations, "routes": routes}), encoding="utf-8")
    return path


async def post(bridge, text: str) -> None:
    """Post one alert."""
    answer = await bridge.client.post(
        "/alerts", json={"alert_type": "rally", "source": "bot", "content": text}
    )
    assert answer.status_code in {200, 201, 202, 204}, answer.text


@pytest.fixture
async def leases(nats_server: NatsServer) -> Callable[..., object]:
    """Frees the leases of destinations, which spares the wait for one that may have expired."""

    async def free(*destinations: str) -> None:
        async with open_bus(url=nats_server.url, name="test", connect_within=10) as bus:
            await release_lease(bus, *destinations)

    return free


async def test_an_alert_goes_from_its_sender_to_a_destination(bridge_with, leases, tmp_path: Path):
    """The bridge is ready once its destinations are enrolled, and the account tells it was delivered."""
    await leases("desk")
    async with hooked() as hook, bridge_with(rules=write_rules(tmp_path / "rules.yaml", desk=hook)) as bridge:
        await bridge.until_ready()
        for number in range(5):
            await post(bridge, f"n{number}")
        await eventually(lambda: len(hook.got) == 5)
        assert hook.got == [f"n{number}" for number in range(5)]
        assert await bridge.metric('baleen_alert_bridge_send_seconds_count{destination="desk"') == 5
        assert await bridge.metric('baleen_alert_bridge_open_alerts{destination="desk"') == 0


@pytest.mark.parametrize("spooled", [False, True])
async def test_no_alert_is_stored_before_it_would_wait_for_the_destinations(
    bridge_with, leases, nats_server: NatsServer, tmp_path: Path, *, spooled: bool
):
    """Senders of the first moment are told to come back, or the disk has it: all that is accepted is told."""
    spool = {"spool": tmp_path / "spool.db"} if spooled else {}
    async with open_bus(url=nats_server.url, name="test", connect_within=10) as bus, hooked() as hook:
        await bus.request_json("$JS.API.STREAM.DELETE.KV_leases")  # nobody can be enrolled
        rules = write_rules(tmp_path / "rules.yaml", desk=hook)
        async with bridge_with(rules=rules, store_within=0.3, **spool) as bridge:
            await bridge.until_part("delivery", "not enrolled yet: desk")
            await bridge.until_part("bus", "ok")
            said = {"alert_type": "rally", "source": "bot", "content": "first"}
            answer = await bridge.client.post("/alerts", json=said)
            assert answer.status_code == (202 if spooled else 503)
            await bootstrap(url=nats_server.url)
            await leases("desk")
            await bridge.until_ready()
            await post(bridge, "second")
            await eventually(lambda: hook.got == (["first", "second"] if spooled else ["second"]))


async def test_a_destination_that_is_added_while_running_is_told_from_then_on(
    bridge_with, leases, tmp_path: Path
):
    """The others are not disturbed."""
    await leases("desk", "ops")
    rules = tmp_path / "rules.yaml"
    async with hooked() as desk, hooked() as ops, bridge_with(rules=write_rules(rules, desk=desk)) as bridge:
        await bridge.until_ready()
        await post(bridge, "before")
        await eventually(lambda: desk.got == ["before"])
        write_rules(rules, desk=desk, ops=ops)
        async with asyncio.timeout(15):
            while not ops.got:
                await post(bridge, "after")
                await asyncio.sleep(0.1)
        await eventually(lambda: desk.got.count("after") >= ops.got.count("after"))
    assert set(ops.got) == {"after"}


async def test_a_bridge_that_leaves_hands_over_at_once(bridge_with, leases, tmp_path: Path):
    """The next one goes on where it stood, without a wait and without a repeat."""
    await leases("desk")
    rules = tmp_path / "rules.yaml"
    async with hooked() as hook:
        for life in range(3):
            async with bridge_with(rules=write_rules(rules, desk=hook)) as bridge:
                await bridge.until_ready()
                await post(bridge, f"n{life}")
                await eventually(lambda life=life: len(hook.got) == life + 1, within=4)
        assert hook.got == ["n0", "n1", "n2"]
