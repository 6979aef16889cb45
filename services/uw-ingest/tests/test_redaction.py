"""The token never appears: a hostile upstream quotes it in every answer, and everything said is searched."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from websockets.asyncio.server import ServerConnection, serve

from baleen_bus.connection import Bus
from baleen_bus.reading import fetch_after
from baleen_bus.testing import NatsServer
from baleen_contracts import streams
from baleen_runtime.errors import SettingsError
from baleen_runtime.logs import configure_logs
from baleen_runtime.settings import load_settings
from uw_ingest.errors import ConnectFailed
from uw_ingest.settings import Settings
from uw_ingest.slots.feed import FeedSettings
from uw_ingest.upstream.connect import Ears, open_line, socket_url

TOKEN = "Secr3t/T0ken+with=signs"
SPELLINGS = (TOKEN, quote(TOKEN, safe=""), quote_plus(TOKEN), quote(TOKEN))


def http(status: str, body: str, **headers: str) -> bytes:
    """A raw HTTP answer."""
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items())]
    lines += [f"Content-Length: {len(body)}", "Connection: close", "", body]
    return "\r\n".join(lines).encode()


ANSWERS = {
    "no scope": http("401 Unauthorized", f"Your token {TOKEN} does not have the websocket scope"),
    "bad token": http("401 Unauthorized", f"bad token {TOKEN}"),
    "forbidden": http("403 Forbidden", json.dumps({"code": "secrettoken", "message": TOKEN})),
    "redirect": http("302 Found", "", Location=f"http://127.0.0.1:9/socket?token={quote(TOKEN, safe='')}"),
    "broken": http(f"500 {TOKEN}", f"trace: /socket?token={TOKEN}", **{"X-Echo": TOKEN}),
    "html": http("200 OK", f"<html>{TOKEN}</html>"),
    "limited": http("429 Too Many", json.dumps({"message": f"rate limit of 120 in 60 seconds {TOKEN}"})),
    "wrong key": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: " + TOKEN.encode() + b"\r\n\r\n",
    "no http": f"{TOKEN}\r\n\r\n".encode(),
    "silence": b"",
}


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """An upstream that answers everything with these bytes and hangs up."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def echoing() -> AsyncIterator[str]:
    """An upstream whose socket opens and quotes the token in each of its errors."""

    async def handle(connection: ServerConnection) -> None:
        await connection.send(json.dumps({"error": f"Channel subscription limit for {TOKEN}"}))
        async for join in connection:
            channel = json.loads(join)["channel"]
            await connection.send(json.dumps([channel, {"status": "error", "response": f"{TOKEN} may not"}]))
            await connection.close(1008, TOKEN)

    async with serve(handle, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


@pytest.fixture
def logged() -> io.StringIO:
    """Every log line, at its most talkative, of every library."""
    stream = io.StringIO()
    configure_logs("debug", "json", stream=stream)
    return stream


def found_in(text: str) -> list[str]:
    """The spellings of the token that a text holds."""
    return [spelling for spelling in SPELLINGS if spelling in text]


async def everything_said(ingest: Any, bus: Bus) -> str:
    """Status, probes, metrics, and every message of every stream."""
    texts = [(await ingest.http.get(path)).text for path in ("/status", "/readyz", "/livez", "/metrics")]
    for stream, patterns in streams().items():
        for pattern in patterns:
            kept: list[Any] = []
            await fetch_after(bus, stream, pattern, 0, kept.append)
            texts += [f"{item.subject} {dict(item.headers)} {item.body.decode()}" for item in kept]
    return "\n".join(texts)


@pytest.mark.parametrize("kind", [*ANSWERS, "refused", "no such name", "echo"])
async def test_no_failure_shows_the_token(  # noqa: PLR0917 - fixtures, taken by name
    kind: str, nats_server: NatsServer, bus: Bus, logged: io.StringIO, ingest_running: Any, eventually: Any
):
    """Whatever goes wrong upstream, logs, status, probes, metrics and messages never hold the token."""
    async with _upstream(kind) as upstream, ingest_running(
        nats_server, upstream, token=TOKEN, channels="news", congress_every=0.1, movers_every=0.1
    ) as ingest:  # fmt: skip

        async def failed_both_ways() -> bool:
            status = await ingest.status()
            socket = (
                status["connection"]["opened_times"] > 0 if kind == "echo" else status["connection"]["why"]
            )
            return bool(socket and socket != "not tried yet" and status["rest"]["calls"])

        await eventually(failed_both_ways, "socket and REST have failed")
        await eventually(lambda: _is_told(ingest), "the feeds' states are published")
        said = await everything_said(ingest, bus)

    assert "feed.v1.status.news" in said
    assert found_in(said) == []
    assert "upstream" in logged.getvalue()
    assert found_in(logged.getvalue()) == []


def _upstream(kind: str) -> Any:
    if kind == "echo":
        return echoing()
    if kind in ANSWERS:
        return answering(ANSWERS[kind])
    return _nobody("http://127.0.0.1:9" if kind == "refused" else "http://no-such-host.invalid:9")


@asynccontextmanager
async def _nobody(url: str) -> AsyncIterator[str]:
    yield url


async def _is_told(ingest: Any) -> bool:
    counters = (await ingest.status())["counters"]
    return bool(counters["published"] >= 3 and counters["backlog"] == 0)


@pytest.mark.parametrize("kind", [*ANSWERS, "refused", "no such name"])
async def test_no_exception_of_the_socket_holds_the_token(kind: str):
    """Neither the error nor anything chained to it quotes the URL."""
    ears = Ears(lambda _body: None, lambda _reason: None, lambda _why: None)
    async with _upstream(kind) as upstream:
        with pytest.raises(ConnectFailed) as failed:
            await open_line(socket_url(upstream, TOKEN), ears)

    error = failed.value
    assert found_in(f"{error!r} {error.__cause__!r} {error.__dict__!r}") == []
    assert error.__context__ is None or error.__suppress_context__


def test_settings_and_their_errors_hide_the_token():
    """Neither their picture nor a refusal to start quotes it."""
    with pytest.raises(SettingsError) as refused:
        load_settings(Settings, {"UW_INGEST_TOKEN": TOKEN, "UW_INGEST_PORT": "many"})

    assert found_in(str(refused.value)) == []
    assert found_in(repr(load_settings(Settings, {"UW_INGEST_TOKEN": TOKEN}))) == []
    assert found_in(repr(FeedSettings(socket_url("http://x", TOKEN)))) == []


def test_the_search_itself_would_find_a_token():
    """A checker that finds nothing must be shown to find something."""
    assert found_in(f"GET {socket_url('https://x', TOKEN)}") == [SPELLINGS[1], SPELLINGS[2]]
    assert found_in(f"Bearer {TOKEN}") == [TOKEN]
