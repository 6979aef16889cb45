"""Strange names and strange pages, against a gateway on a real socket."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import orjson
import pytest
from websockets.exceptions import ConnectionClosed

EVIL = "evil.example"
ROUTES = (
    "/",
    "/livez",
    "/readyz",
    "/metrics",
    "/api/stream/status",
    "/api/stream/channels",
    "/api/stream/health",
    "/api/v1/ws/stats",
    "/openapi.json",
    "/no/such/route",
)


async def ask(live: Any, method: str, path: str, **headers: str) -> httpx.Response:
    """Ask over HTTP."""
    async with httpx.AsyncClient() as client:
        return await client.request(method, f"http://127.0.0.1:{live.port}{path}", headers=headers)


@pytest.mark.parametrize("path", ROUTES)
async def test_a_strange_host_is_told_the_cure_on_every_route(live: Any, path: str):
    """A name that was made to lead here learns nothing, not even which routes exist."""
    answer = await ask(live, "GET", path, Host=f"{EVIL}:{live.port}")

    assert answer.status_code == 421
    assert "WS_GATEWAY_HOSTS" in answer.json()["detail"]
    assert (await ask(live, "GET", path, Host=f"localhost:{live.port}")).status_code != 421


@pytest.mark.parametrize(("path", "code"), [("/v1/stream", 4403), ("/api/v1/ws/unified", 1008)])
@pytest.mark.parametrize("with_origin", [True, False])
async def test_a_strange_host_gets_no_stream(live: Any, path: str, code: int, with_origin: bool):
    """A page whose name was made to lead here is closed as any strange page is, whatever it claims."""
    origin = f"http://{EVIL}:{live.port}" if with_origin else None
    client = live.connect_as(path, f"{EVIL}:{live.port}", origin)
    async with client as socket:
        assert orjson.loads(await asyncio.wait_for(socket.recv(), 5))["code"] == "origin"
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 5)
        assert socket.close_code == code


async def test_our_own_page_is_served_under_any_port_of_localhost(live: Any):
    """A published port of a container is another than the one we listen on."""
    async with live.connect_as("/v1/stream", "localhost:18000", "http://localhost:18000") as socket:
        assert (await live.hear(socket))["op"] == "welcome"


async def test_a_strange_page_cannot_reconnect_the_upstream(live: Any):
    """A form or a script elsewhere can make a browser post; what it posts is not obeyed."""
    path = "/api/stream/reconnect"
    stranger = await ask(live, "POST", path, Origin=f"https://{EVIL}")
    ours = await ask(live, "POST", path, Origin=f"http://127.0.0.1:{live.port}")
    program = await ask(live, "POST", path)

    assert stranger.status_code == 403
    assert "WS_GATEWAY_ORIGINS" in stranger.json()["detail"]
    assert [ours.status_code, program.status_code] == [503, 503]


async def test_a_configured_host_is_ours(serve_with: Any):
    """The operator names the gateway, and its pages are our own."""
    async with serve_with(hosts=("gateway.example",)) as live:
        assert (await ask(live, "GET", "/livez", Host="gateway.example")).status_code == 200
        async with live.connect_as("/v1/stream", "gateway.example", "http://gateway.example") as socket:
            assert (await live.hear(socket))["op"] == "welcome"
