"""The bridge's route in a gateway that is fed by hand: who waits, who asks too much, who reads too slowly."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import jwt
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from baleen_bus import Gap, GapReason
from ws_gateway.dialects import bridge_snapshot

PATIENCE = 5.0
AT = "2026-04-27T14:31:05.000250Z"


@pytest.fixture
async def live(serve_with: Any) -> AsyncIterator[Any]:
    """A gateway that knows the bridge's past, which is empty."""
    async with serve_with(client_buffer_bytes=65_536, client_lag_seconds=60) as running:
        running.gateway.settle("BRIDGE")
        yield running


def change(running: Any, path: str, value: Any) -> None:
    """Put a change of state into the gateway."""
    running.say(f"bridge.v1.state.{path}", path=path, value=value, occurred_at=AT)


def happen(running: Any, **data: Any) -> None:
    """Put an event into the gateway."""
    running.say("bridge.v1.event.e", event_type="e", data=data, occurred_at=AT)


async def read(client: ClientConnection) -> dict[str, Any]:
    """Return the next message."""
    message: dict[str, Any] = json.loads(await asyncio.wait_for(client.recv(), PATIENCE))
    return message


async def read_to_the_end(client: ClientConnection) -> list[dict[str, Any]]:
    """Return what comes until the connection is closed."""
    found = []
    with suppress(ConnectionClosed):
        async with asyncio.timeout(PATIENCE):
            while True:
                found.append(json.loads(await client.recv()))
    return found


async def test_who_comes_before_the_past_is_known_gets_it_whole_when_it_is(serve_with: Any):
    """Nothing but answers is said until the state is whole: half a state would look like a whole one."""
    async with serve_with() as running:
        running.gateway.settled.discard("BRIDGE")
        async with running.connect("/ws") as client:
            change(running, "a", 1)
            await client.send('{"type":"request_state"}')
            await client.send('{"type":"subscribe","events":[]}')
            await client.send('{"type":"ping"}')
            assert (await read(client))["type"] == "pong"

            change(running, "b", 2)
            running.gateway.settle("BRIDGE")
            happen(running)
            change(running, "c", 3)
            first, then = await read(client), await read(client)
            assert first["data"]["state"] == {"a": 1, "b": 2}
            assert (first["revision"], then["revision"], then["path"]) == (2, 4, "c")


async def test_a_gap_is_told_and_followed_by_the_state_as_it_is_now(live: Any):
    """What was pending comes first; then what will not come, the state, and what follows."""
    async with live.connect("/ws") as client:
        await read(client)
        change(live, "kept", 1)
        happen(live, n=2)
        live.gateway.lose(Gap("BRIDGE", 3, 5, GapReason.EXPIRED))
        live.gateway.lose(Gap("SIGNAL", 3, 5, GapReason.EXPIRED))
        live.number = 5
        change(live, "new", 6)
        told = [await read(client) for _ in range(5)]
        assert [message["type"] for message in told] == [
            "state_update",
            "event",
            "gap",
            "state_snapshot",
            "state_update",
        ]
        assert {key: told[2][key] for key in ("from", "to", "reason")} == {
            "from": 3,
            "to": 5,
            "reason": "expired",
        }
        assert told[3]["data"]["state"] == {"kept": 1}
        assert [message["revision"] for message in (told[1], told[3], told[4])] == [2, 2, 6]


@pytest.mark.parametrize(
    ("reason", "first", "left"),
    [(GapReason.STREAM_RECREATED, 1, {}), (GapReason.WENT_BACK, 2, {"old": 1})],
)
async def test_state_that_the_stream_does_not_hold_any_more_is_forgotten(
    live: Any, reason: GapReason, first: int, left: dict[str, Any]
):
    """A stream made anew has another state, one that lost its end has the one before."""
    change(live, "old", 1)
    change(live, "lost", 2)
    async with live.connect("/ws") as client:
        assert (await read(client))["data"]["state"] == {"old": 1, "lost": 2}
        live.gateway.lose(Gap("BRIDGE", first, 2, reason))
        gap, snapshot = await read(client), await read(client)
        assert gap["reason"] == str(reason)
        assert snapshot["data"]["state"] == left


async def test_who_asks_for_the_state_again_and_again_gets_one_answer_for_many(live: Any):
    """Some answers at once, then about one a second, and the last is newer than the last question."""
    async with live.connect("/ws") as client:
        await read(client)
        for _ in range(100):
            await client.send('{"type":"request_state"}')
        await client.send('{"type":"ping"}')
        answers = 0
        while (await read(client))["type"] == "state_snapshot":
            answers += 1
        assert answers <= 6
        change(live, "a", 1)
        assert (await read(client))["type"] == "state_update"
        late = await read(client)
        assert (late["type"], late["data"]["state"]) == ("state_snapshot", {"a": 1})


async def test_clients_that_come_together_are_shown_the_same_bytes(
    live: Any, monkeypatch: pytest.MonkeyPatch
):
    """A snapshot is made once while nothing changes, its time included, and anew once something did."""
    monkeypatch.setattr(bridge_snapshot, "_FRESH_FOR", 60.0)  # however slow this machine is now
    change(live, "a", 1)
    async with live.connect("/ws") as one, live.connect("/ws") as other:
        assert await one.recv() == await other.recv()
        change(live, "a", 2)
        async with live.connect("/ws") as later:
            assert (await read(later))["data"]["state"] == {"a": 2}


async def test_a_state_above_the_limit_of_clients_comes_in_frames_that_fit(live: Any):
    """A client that takes frames of at most 1 MiB, as they do by default, has the whole state."""
    for number in range(12):
        change(live, f"big.k{number}", "x" * 200_000)
    async with live.connect("/ws", max_size=2**20) as client:
        first = await read(client)
        state = first["data"]["state"]["big"]
        assert 0 < len(state) < 12
        for number in range(len(state), 12):
            update = await read(client)
            assert (update["path"], update["revision"]) == (f"big.k{number}", number + 1)
            assert update["revision"] > first["revision"]
        change(live, "small", 1)
        assert (await read(client))["revision"] == 13


async def test_a_slow_client_misses_no_event_and_no_last_value(live: Any):
    """State it has not read yet is passed over for newer state, revisions still grow, events all come."""
    async with live.connect("/ws", ping_interval=None) as client:
        await read(client)
        (wire,) = live.gateway.hub.wires
        wire.pause_writing()
        for number in range(300):
            change(live, f"p{number % 3}", [number, "x" * 5_000])
            if number % 10 == 0:
                happen(live, n=number)
            await live.until(lambda: not wire.pen.pending)
        wire.resume_writing()

        told: list[dict[str, Any]] = []
        while not told or told[-1].get("path") != "p2" or told[-1]["new_value"][0] != 299:
            told.append(await read(client))
        revisions = [message["revision"] for message in told]
        assert revisions == sorted(set(revisions))
        assert [message["data"]["n"] for message in told if message["type"] == "event"] == list(
            range(0, 300, 10)
        )
        last = {message["path"]: message["new_value"][0] for message in told if "path" in message}
        assert last == {"p0": 297, "p1": 298, "p2": 299}
        assert len(told) < 100


async def test_a_client_that_does_not_read_is_closed_and_told_to_come_back(live: Any):
    """Events are never passed over: beyond the bound it is told why, and the code means later."""
    client = await live.connect("/ws", ping_interval=None)
    await read(client)
    (wire,) = live.gateway.hub.wires
    wire.pause_writing()
    while not wire.closing:
        happen(live, filling="x" * 6_000)
        await live.until(lambda: wire.pen is None or not wire.pen.pending)
    told = await read_to_the_end(client)
    assert (told[-1]["type"], told[-1]["code"]) == ("error", "too_slow")
    assert client.close_code == 1013


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("dashboard-1", "dashboard-1"),
        ("<b>a\tb</b>", "%3Cb%3Ea%09b%3C%2Fb%3E"),
        ("n" * 5_000, "n" * 64),
        ("", ""),
    ],
)
async def test_what_a_client_calls_itself_is_cut_and_escaped(live: Any, said: str, shown: str):
    """Its name can be printed anywhere, and is no label: clients choose it."""
    async with live.connect("/ws", additional_headers={"x-client-id": said}) as client:
        await read(client)
        (wire,) = live.gateway.hub.wires
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{live.port}") as http:
            told = (await http.get(f"/v1/clients/{wire.id}")).json()
        assert told["calls_itself"] == (shown or None)
        assert told["label"] == "bridge"
        assert not said or said not in live.metrics()


async def test_the_health_is_unhealthy_while_the_bus_is_away(live: Any):
    """What it shows then is not the present; the document's fields are there all the same."""
    reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
    writer.write(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
    answer = (await asyncio.wait_for(reader.read(), PATIENCE)).decode()
    writer.close()
    body = json.loads(answer.partition("\r\n\r\n")[2])
    assert " 503 " in answer.splitlines()[0]
    assert (body["status"], body["connections"]) == ("unhealthy", 0)


@pytest.mark.parametrize(
    ("allowed", "comes_in"),
    [
        (["bridge.>"], True),
        (["bridge.v1.state.>"], False),
        (["bridge.v1.event.*", "bridge.v1.state.a"], False),
    ],
)
async def test_a_token_must_allow_the_whole_bridge(serve_with: Any, allowed: list[str], comes_in: bool):
    """The first message is the whole state: who may hear less is told so and closed with 1008."""
    secret = "a secret of more than thirty-two bytes, for tests alone"
    claims = {"sub": "a", "aud": "baleen", "exp": time.time() + 60, "baleen": {"subscribe": allowed}}
    token = jwt.encode(claims, secret, "HS256")
    async with (
        serve_with(auth="jwt", auth_key=secret) as running,
        running.connect(f"/ws?token={token}") as client,
    ):
        running.gateway.settle("BRIDGE")
        first = await read(client)
        if comes_in:
            assert first["type"] == "state_snapshot"
        else:
            assert (first["type"], first["code"]) == ("error", "forbidden")
            await client.wait_closed()
            assert client.close_code == 1008
