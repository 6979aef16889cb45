"""The account over a bus with users: the bridge's own permissions are enough for all it tells."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from baleen_bus.testing import NatsServer

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
RULES = """
destinations:
  desk: {{type: webhook, url: "{url}/hook", secret: "{secret}", allow_private: true}}
routes:
  - {{name: all, to: desk}}
"""


@pytest.fixture
def nats_server(nats_server_with_users: NatsServer) -> NatsServer:
    """In this file the bus asks who one is."""
    return nats_server_with_users


async def get(client: httpx.AsyncClient, path: str, **query: Any) -> Any:
    """What is answered there."""
    return (await client.get(path, params=query)).json()


async def test_the_bridges_own_user_may_read_all_of_this(nats_server, bridge_with, stranger, tmp_path):
    """Nothing is asked of the bus that its permissions do not give."""
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES.format(url=f"http://127.0.0.1:{stranger.port}", secret=SECRET))
    password = nats_server.credentials("alert-bridge")["password"]
    async with bridge_with(rules=rules, nats_user="alert-bridge", nats_password=password) as bridge:
        await bridge.until_ready()
        stranger.says(400, {"message": "no"})
        await bridge.client.post("/alerts", json={"alert_type": "news", "source": "bot", "id": "a"})
        async with asyncio.timeout(20):
            while not (letters := (await get(bridge.client, "/dead")).get("letters")):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)

        told = (await get(bridge.client, "/alerts/a"))["alerts"][0]
        assert [chapter["state"] for chapter in told["life"]] == ["dead"]
        assert len((await get(bridge.client, "/alerts", since="1h"))["alerts"]) == 1
        ask = {"destination": "desk", "seqs": [letters[0]["seq"]]}
        assert (await bridge.client.post("/dead/redeliver", json=ask)).json()["sent_again"]
        assert (await bridge.client.post("/destinations/desk/resume")).status_code == 200
