"""HTTP with tokens, and that nothing shows one: against a gateway on a real socket."""

from __future__ import annotations

import asyncio
import io
import logging
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest
from starlette.routing import Route, WebSocketRoute
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from baleen_bus.testing import NatsServer
from baleen_runtime.logs import configure_logs
from ws_gateway.app import make_app
from ws_gateway.doors.guard import ADMIN_PATHS, OPEN_PATHS
from ws_gateway.testing import GatewayProcess

SECRET = "a secret of more than thirty-two bytes, for tests alone"
WITH_TOKENS: dict[str, Any] = {"auth": "jwt", "auth_key": SECRET}
CLOSED = (
    "/api/stream/status",
    "/api/stream/channels",
    "/api/stream/health",
    "/openapi.json",
    "/no/such/route",
)


def token(lasts: float = 600, *, admin: bool = False, **claims: Any) -> str:
    """Make a token."""
    rights = {"subscribe": [">"], "admin": admin}
    said = {"sub": "alice", "aud": "baleen", "exp": time.time() + lasts, "baleen": rights, **claims}
    return jwt.encode(said, SECRET, "HS256")


async def ask(live: Any, path: str, text: str | None = None, method: str = "GET", **headers: str) -> Any:
    """Ask over HTTP, with a token in the header if one is given."""
    if text is not None:
        headers["Authorization"] = f"Bearer {text}"
    async with httpx.AsyncClient() as client:
        return await client.request(method, f"http://127.0.0.1:{live.port}{path}", headers=headers)


@pytest.mark.parametrize("path", sorted(OPEN_PATHS))
async def test_the_page_and_what_operators_ask_need_no_token(serve_with: Any, path: str):
    """They show nothing of clients or messages, and are asked by machines that have no token."""
    async with serve_with(**WITH_TOKENS) as live:
        assert (await ask(live, path)).status_code in (200, 503)
        assert (await ask(live, path)).status_code != 401


@pytest.mark.parametrize("path", CLOSED)
async def test_every_other_path_needs_a_token(serve_with: Any, path: str):
    """Also one that nobody has thought of: without a token nothing is learned, not even what exists."""
    async with serve_with(**WITH_TOKENS) as live:
        without, wrong, right = (
            await ask(live, path),
            await ask(live, path, "x"),
            await ask(live, path, token()),
        )

        assert (without.status_code, without.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "a token is needed" in without.json()["detail"]
        assert wrong.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
        assert wrong.status_code == 401
        assert right.status_code in (200, 404, 503)


async def test_no_route_that_there_is_lets_anybody_in_without_a_token(serve_with: Any):
    """Every WebSocket and every HTTP route of the application, those that are yet to be written too."""
    async with serve_with(**WITH_TOKENS, auth_within_seconds=0.2) as live:
        routes = list(routes_of(make_app(live.gateway, live.registry).routes))
        sockets = {path for path, route in routes if isinstance(route, WebSocketRoute)}
        pages = {(path, method) for path, route in routes for method in getattr(route, "methods", None) or ()}
        assert len(sockets) > 25
        assert len(pages) > 10
        for path in sockets:
            async with live.connect(path) as client:
                await asyncio.wait_for(client.wait_closed(), 5)
            assert client.close_code in (1008, 4401), path
        for path, method in pages:
            closed = path not in OPEN_PATHS and method != "OPTIONS"
            assert ((await ask(live, path, method=method)).status_code == 401) is closed, path
        assert live.gateway.hub.sweep.delivered == 0


def routes_of(routes: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield all routes with their paths, those of routers within routers too."""
    for route in routes:
        if isinstance(route, Route | WebSocketRoute):
            yield filled(prefix + route.path), route
        else:
            yield from routes_of(route.original_router.routes, prefix + route.include_context.prefix)


def filled(path: str) -> str:
    """Return a path with something in the place of what it leaves open."""
    return re.sub(r"\{\w+\}", "x", path)


@pytest.mark.parametrize("path", [*ADMIN_PATHS, "/v1/clients/abc", "/v1/clients/", "/api/v1/ws/stats/"])
async def test_what_tells_of_others_is_for_admins(serve_with: Any, path: str):
    """A token without baleen.admin is told that it needs that."""
    async with serve_with(**WITH_TOKENS) as live:
        method = "POST" if path.endswith("reconnect") else "GET"

        assert (await ask(live, path, method=method)).status_code == 401
        refusal = await ask(live, path, token(), method)
        assert (refusal.status_code, "baleen.admin" in refusal.json()["detail"]) == (403, True)
        assert (await ask(live, path, token(admin=True), method)).status_code not in (401, 403)


async def test_an_ordinary_path_is_not_mistaken_for_an_admins(serve_with: Any):
    """Only the paths that are named, and what lies below them."""
    async with serve_with(**WITH_TOKENS) as live:
        assert (await ask(live, "/v1/clientship", token())).status_code == 404


async def test_a_token_in_an_address_is_kept_and_passed_on_by_no_browser(serve_with: Any):
    """It is taken there too, and the answer asks the browser for discretion; also that of the page."""
    async with serve_with(**WITH_TOKENS) as live:
        for path in ("/api/stream/status", "/"):
            answer = await ask(live, f"{path}?token={token()}")
            assert answer.status_code == 200
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Cache-Control"] == "no-store"


async def test_event_streams_are_let_in_at_the_pace_of_connections(serve_with: Any):
    """Who asks for too many too quickly gets 503 and a time, whatever its token."""
    async with serve_with(handshakes_per_second=1) as live:
        codes = [(await ask(live, "/v1/events")).status_code for _ in range(4)]
        refusal = await ask(live, "/v1/events")

        assert codes == [400, 400, 503, 503]
        assert int(refusal.headers["Retry-After"]) >= 1
        assert (await ask(live, "/api/stream/channels")).status_code == 200


async def test_an_event_stream_ends_with_its_token(serve_with: Any):
    """It is opened by a token in the address, hears what that allows, and ends no later than it."""
    end = time.time() + 2.5
    text = token(exp=end, baleen={"subscribe": ["uw.v1.price.*"]})
    async with serve_with(**WITH_TOKENS) as live, httpx.AsyncClient() as client:
        for stream in live.gateway.past.streams:
            live.gateway.settle(stream)
        there = f"http://127.0.0.1:{live.port}/v1/events?token={text}&topics="
        assert (await client.get(f"{there}uw.v1.>")).status_code == 403
        async with client.stream("GET", f"{there}uw.v1.price.*") as answer:
            assert answer.status_code == 200
            await live.until(lambda: len(live.gateway.hub) == 1)
            live.say("uw.v1.price.SPY")
            told = [line async for line in answer.aiter_lines()]
        assert time.time() <= end + 0.3
        assert any('"topic":"uw.v1.price.SPY"' in line for line in told)
        assert any("expired" in line for line in told)
        assert live.gateway.entry._guests == {}


async def test_event_streams_count_among_the_connections_of_a_subject(serve_with: Any):
    """One too many is told to come again."""
    async with (
        serve_with(**WITH_TOKENS, max_connections_per_subject=1) as live,
        live.connect(f"/v1/stream?token={token()}") as one,
    ):
        await live.hear(one)
        for stream in live.gateway.past.streams:
            live.gateway.settle(stream)
        refusal = await ask(live, "/v1/events?topics=uw.v1.price.*", token())

        assert (refusal.status_code, refusal.json()["code"]) == (429, "too_many_connections")
        assert int(refusal.headers["Retry-After"]) >= 1


async def test_without_tokens_every_path_is_open(live: Any):
    """As on a machine of one's own."""
    assert (await ask(live, "/api/v1/ws/stats")).status_code == 200
    assert (await ask(live, "/api/stream/status", "nonsense")).status_code == 200


@pytest.fixture
def everything_logged() -> Iterator[io.StringIO]:
    """All lines that an operator sees with BALEEN_LOG_LEVEL=debug; the test's own client is mute."""
    root, clients = logging.getLogger(), logging.getLogger("websockets.client")
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logs("debug", stream=stream)
    clients.disabled = True
    yield stream
    clients.disabled = False
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("chatty", [False, True])
async def test_no_log_line_and_no_figure_shows_a_token(
    serve_with: Any, everything_logged: io.StringIO, chatty: bool
):
    """Good or bad, wherever it is handed in, over WebSocket or HTTP; also where the server talks more."""
    if chatty:
        logging.getLogger("uvicorn.error").setLevel(logging.INFO)
    good, bad = token(), token(aud="elsewhere")
    parts = {part for text in (good, bad) for part in text.split(".")[1:]}
    async with serve_with(**WITH_TOKENS) as live:
        for text in (good, bad):
            for path in ("/v1/stream", "/api/v1/ws/unified", "/no/such/route"):
                await touch(live, f"{path}?token={text}")
                await touch(live, path, subprotocols=["baleen.v1", f"bearer.{text}"])
                await touch(live, path, additional_headers={"Authorization": f"Bearer {text}"})
            await touch(live, "/v1/stream", say=f'{{"op":"auth","token":"{text}"}}')
            await touch(live, "/v1/stream", say=f'{{"op":"auth","token":["{text}"]}}')
            for path in ("/api/stream/status", "/", "/no/such/route"):
                await ask(live, f"{path}?token={text}")
                await ask(live, path, text)
        shown = live.metrics()
    logged = everything_logged.getvalue()

    assert "listening" in logged
    assert not any(part in logged or part in shown for part in (*parts, SECRET))
    assert "alice" not in shown
    if chatty:
        assert "[accepted]" in logged


async def test_the_figures_count_who_was_not_let_in(serve_with: Any):
    """By reason, and how many keys there are."""
    async with serve_with(**WITH_TOKENS) as live:
        await ask(live, "/api/stream/status")
        await touch(live, f"/api/v1/ws/unified?token={token(lasts=-1)}")
        shown = live.metrics()

    assert 'baleen_gateway_denials_total{reason="missing"} 1.0' in shown
    assert 'baleen_gateway_denials_total{reason="expired"} 1.0' in shown
    assert "baleen_gateway_keys 1.0" in shown
    assert "baleen_gateway_unidentified 0.0" in shown
    assert "baleen_gateway_handshakes_refused_total 0.0" in shown


async def test_a_gateway_in_a_process_of_its_own_asks_for_tokens_and_logs_none(nats_server: NatsServer):
    """As the service starts it: tokens are asked for, the log is silent, and headers are not believed."""
    variables = {f"WS_GATEWAY_{name.upper()}": value for name, value in WITH_TOKENS.items()}
    variables |= {"WS_GATEWAY_MAX_CONNECTIONS_PER_ADDRESS": "1", "BALEEN_LOG_LEVEL": "debug"}
    forwarded = {"X-Forwarded-For": "198.51.100.1"}
    text = token()
    with GatewayProcess(nats_server.url, **variables) as process:
        async with (
            connect(f"{process.ws}/v1/stream?token={text}", additional_headers=forwarded) as one,
            connect(f"{process.ws}/v1/stream?token={text}", additional_headers=forwarded) as two,
        ):
            assert '"op":"welcome"' in str(await one.recv())
            assert '"op":"welcome"' in str(await two.recv())
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{process.http}/api/stream/status?token={text}")).status_code == 200
            assert (await client.get(f"{process.http}/api/stream/status")).status_code == 401
    logged = process.log_text()

    assert "listening" in logged
    assert not any(part in logged for part in (*text.split(".")[1:], SECRET))


async def touch(live: Any, path: str, say: str | None = None, **options: Any) -> None:
    """Connect, hear a word and leave, if that is allowed."""
    try:
        async with live.connect(path, **options) as client:
            if say is not None:
                await client.send(say)
                await client.recv()
            await client.recv()
    except WebSocketException:
        pass


async def test_what_fails_inside_a_route_shows_no_token(serve_with: Any, everything_logged: io.StringIO):
    """A route that breaks is logged with its traceback, and the request that it prints holds no token."""
    async with serve_with(**WITH_TOKENS) as live:

        def broken(*_: Any) -> None:
            raise RuntimeError("broken")

        live.gateway.hub.stats = broken
        text = token(admin=True)
        answer = await ask(live, f"/api/v1/ws/stats?token={text}")

        assert answer.status_code == 500
    assert "RuntimeError: broken" in everything_logged.getvalue()
    assert text.split(".")[2] not in everything_logged.getvalue()
