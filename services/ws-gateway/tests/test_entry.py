"""Clients with and without tokens, against a gateway on a real socket."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import jwt
import orjson
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ws_gateway.dialects.flowmind import FlowMind
from ws_gateway.doors import entry as entry_module
from ws_gateway.doors.limits import Kind
from ws_gateway.errors import Farewell, Untrusted
from ws_gateway.native.conversation import Conversation
from ws_gateway.session import Plain

SECRET = "a secret of more than thirty-two bytes, for tests alone"
NATIVE, SEED, WIDGET = "/v1/stream", "/api/v1/ws/unified", "/api/stream/ws/flow"
WITH_TOKENS: dict[str, Any] = {"auth": "jwt", "auth_key": SECRET}
EVERYTHING = {"subscribe": [">"], "publish": [">"], "admin": True}
NOTHING_HELD: dict[Kind, dict[str, int]] = {Kind.ADDRESS: {}, Kind.SUBJECT: {}}


def token(subject: str = "alice", lasts: float = 600, rights: Any = EVERYTHING, **claims: Any) -> str:
    """Make a token."""
    said = {"sub": subject, "aud": "baleen", "exp": time.time() + lasts, "baleen": rights, **claims}
    return jwt.encode(said, SECRET, "HS256")


def handing_in(place: str, text: str) -> tuple[str, dict[str, Any]]:
    """Return what is appended to the path, and the options of a connection, that hand in a token."""
    if place == "header":
        return "", {"additional_headers": {"Authorization": f"Bearer {text}"}}
    if place == "query":
        return f"?token={text}", {}
    return "", {"subprotocols": ["baleen.v1", f"bearer.{text}"]}


async def closing_of(client: ClientConnection) -> tuple[list[dict[str, Any]], int, str]:
    """Return all frames up to the close, its code and its reason."""
    frames: list[dict[str, Any]] = []

    async def read_on() -> None:
        while True:
            frames.append(orjson.loads(await client.recv()))

    with pytest.raises(ConnectionClosed) as closed:
        await asyncio.wait_for(read_on(), 5)
    assert closed.value.rcvd is not None
    return frames, closed.value.rcvd.code, closed.value.rcvd.reason


async def refused(live: Any, path: str, **options: Any) -> tuple[dict[str, Any] | None, int, str]:
    """Connect and return the frame before the close, if there is one, the code and the reason."""
    async with live.connect(path, **options) as client:
        frames, code, reason = await closing_of(client)
    assert len(frames) <= 1
    return frames[0] if frames else None, code, reason


# Where a token is handed in.


@pytest.mark.parametrize("place", ["header", "query", "subprotocol"])
@pytest.mark.parametrize("path", [NATIVE, SEED])
async def test_a_token_is_taken_wherever_it_is_handed_in(serve_with: Any, path: str, place: str):
    """A good token lets a client in on every route; of the subprotocols only ours is answered."""
    async with serve_with(**WITH_TOKENS) as live:
        end, options = handing_in(place, token())
        async with live.connect(path + end, **options) as client:
            first = orjson.loads(await client.recv())

            assert first.get("op", first.get("type")) in ("welcome", "connected", "connection")
            assert first.get("auth", False) is False
            (wire,) = live.gateway.hub.wires
            assert wire.identity.subject == "alice"
            assert client.subprotocol == ("baleen.v1" if place == "subprotocol" and path == NATIVE else None)


@pytest.mark.parametrize("place", ["header", "query", "subprotocol"])
@pytest.mark.parametrize(("path", "code"), [(NATIVE, 4401), (SEED, 1008)])
async def test_a_wrong_token_is_told_so_and_closed(serve_with: Any, path: str, code: int, place: str):
    """An error frame, then a close with a code that says never; both say what is wrong with the token."""
    async with serve_with(**WITH_TOKENS) as live:
        end, options = handing_in(place, token(aud="elsewhere"))
        frame, closed_with, reason = await refused(live, path + end, **options)

        assert frame is not None
        assert (frame["code"], closed_with) == ("unauthenticated", code)
        assert "aud must be baleen" in frame["message"]
        assert reason == frame["message"]
        assert live.gateway.entry.denials == {Untrusted.AUDIENCE: 1}
        assert live.gateway.entry.limits.counts() == NOTHING_HELD


async def test_older_routes_want_a_token_at_once(serve_with: Any):
    """Their clients know no auth frame, so that nothing is waited for; widgets see the code alone."""
    async with serve_with(**WITH_TOKENS) as live:
        frame, code, _ = await refused(live, SEED)
        assert frame is not None
        assert (frame["code"], code) == ("unauthenticated", 1008)
        assert "Authorization: Bearer" in frame["message"]

        frame, code, reason = await refused(live, WIDGET)
        assert (frame, code) == (None, 1008)
        assert "a token is needed" in reason


async def test_without_tokens_a_token_is_ignored(live: Any):
    """Where nobody is asked, whatever is handed in does no harm and is answered as if it were good."""
    async with live.connect(f"{NATIVE}?token=nonsense") as client:
        assert (await live.hear(client))["auth"] is False
        assert (await live.ask(client, op="auth", token="nonsense"))["op"] == "authenticated"
        await live.subscribed(client, "uw.v1.>")


# Saying it later.


async def test_a_native_client_may_say_who_it_is_in_its_first_frame(serve_with: Any):
    """Until then it hears nothing; then what its token allows."""
    async with serve_with(**WITH_TOKENS) as live, live.connect(NATIVE) as client:
        assert (await live.hear(client))["auth"] is True
        assert live.gateway.entry.unidentified == 1
        refusal = await live.ask(client, op="subscribe", topics=["uw.v1.>"], id=1)
        assert (refusal["op"], refusal["code"]) == ("error", "unauthenticated")

        answer = await live.ask(client, op="auth", token=token(rights={"subscribe": ["uw.v1.price.*"]}))
        assert (answer["op"], live.gateway.entry.unidentified) == ("authenticated", 0)
        await live.subscribed(client, "uw.v1.price.SPY")
        assert (await live.ask(client, op="subscribe", topics=["uw.v1.>"]))["code"] == "forbidden"
        live.say("uw.v1.price.SPY")
        assert (await live.hear(client))["topic"] == "uw.v1.price.SPY"


async def test_who_does_not_say_who_it_is_in_time_is_closed(serve_with: Any):
    """After the wait the connection ends; a heartbeat or a ping does not lengthen it."""
    async with serve_with(**WITH_TOKENS, auth_within_seconds=0.3) as live, live.connect(NATIVE) as client:
        began = time.monotonic()
        await live.hear(client)
        await client.send('{"op":"ping"}')
        frames, code, _ = await closing_of(client)

        assert (frames[-1]["code"], code) == ("unauthenticated", 4401)
        assert 0.2 < time.monotonic() - began < 3
        assert (live.gateway.entry.unidentified, live.gateway.entry._guests) == (0, {})


async def test_who_says_it_wrongly_is_told_why_and_may_try_again(serve_with: Any):
    """A wrong token ends nothing yet; if no better one follows, the close repeats what was wrong."""
    async with serve_with(**WITH_TOKENS, auth_within_seconds=0.5) as live, live.connect(NATIVE) as client:
        await live.hear(client)
        answer = await live.ask(client, op="auth", token=token(lasts=-5), id="x")

        assert (answer["code"], answer["id"]) == ("unauthenticated", "x")
        assert "expired" in answer["message"]
        _, code, reason = await closing_of(client)
        assert (code, reason) == (4401, answer["message"])


async def test_only_so_many_may_be_unidentified(serve_with: Any, monkeypatch: pytest.MonkeyPatch):
    """Whoever comes without a token when too many wait is told to come later; with one, it is let in."""
    monkeypatch.setattr(entry_module, "MAX_UNIDENTIFIED", 2)
    async with serve_with(**WITH_TOKENS) as live, live.connect(NATIVE), live.connect(NATIVE):
        await live.until(lambda: live.gateway.entry.unidentified == 2)
        frame, code, _ = await refused(live, NATIVE)
        assert frame is not None
        assert (frame["code"], code) == ("busy", 4101)
        async with live.connect(f"{NATIVE}?token={token()}") as client:
            assert (await live.hear(client))["op"] == "welcome"


async def test_a_flood_of_unidentified_connections_leaves_nothing_behind(serve_with: Any):
    """However they leave, without a word or with one, nothing of them is kept."""
    async with serve_with(**WITH_TOKENS) as live:
        async with AsyncExitStack() as crowd:
            clients = [await crowd.enter_async_context(live.connect(NATIVE)) for _ in range(30)]
            for client in clients[::3]:
                client.transport.abort()
            for client in clients[1::3]:
                await client.send(orjson.dumps({"op": "auth", "token": token()}).decode())
        await live.until(lambda: not live.gateway.hub.wires)

        assert (live.gateway.entry.unidentified, live.gateway.entry._guests) == (0, {})
        assert live.gateway.entry.limits.counts() == NOTHING_HELD
        assert len(live.gateway.entry._stays) == 0


# What a token allows.


async def test_an_older_route_needs_all_of_its_topics(serve_with: Any):
    """The refusal says what is missing and what the token allows."""
    narrow = token(rights={"subscribe": ["uw.v1.flow_alert.*", "uw.v1.price.SPY"]})
    async with serve_with(**WITH_TOKENS) as live:
        frame, code, reason = await refused(live, f"{SEED}?token={narrow}")
        assert frame is not None
        assert (frame["code"], code) == ("forbidden", 1008)
        assert "uw.v1.flow_alert.*, uw.v1.price.SPY" in frame["message"]
        assert frame["message"].startswith(reason[:100])
        await live.until(lambda: live.gateway.entry.limits.counts() == NOTHING_HELD)

        async with live.connect(f"{WIDGET}?token={narrow}"):
            await live.until(lambda: live.gateway.hub.stats().by_label == {"flow-alerts": 1})


# How long it lasts.


async def test_a_native_client_is_warned_and_then_closed_at_the_end_of_its_token(serve_with: Any):
    """The warning says how long is left; the close comes no later than the token's end."""
    end = time.time() + 2.5
    text = token(exp=end)
    async with (
        serve_with(**WITH_TOKENS, auth_warn_seconds=1.0) as live,
        live.connect(f"{NATIVE}?token={text}") as client,
    ):
        await live.hear(client)
        frames, code, reason = await closing_of(client)

        assert time.time() <= end + 0.3
        told = [frame for frame in frames if frame["op"] != "heartbeat"]
        assert [frame["op"] for frame in told] == ["token_expiring", "error"]
        assert 0 < told[0]["in_ms"] <= 2_000
        assert (told[1]["code"], code) == ("token_expired", 4401)
        assert "expired" in reason


async def test_an_older_client_is_closed_at_the_end_of_its_token(serve_with: Any):
    """It is told by an error frame and 1008, and nothing before."""
    async with serve_with(**WITH_TOKENS) as live, live.connect(f"{SEED}?token={token(lasts=2)}") as client:
        await client.recv()
        frames, code, _ = await closing_of(client)

        assert [(frame["type"], frame["code"]) for frame in frames] == [("error", "token_expired")]
        assert code == 1008


async def test_a_fresher_token_in_band_lets_a_client_stay(serve_with: Any):
    """The old end passes; what was subscribed goes on."""
    async with (
        serve_with(**WITH_TOKENS, auth_warn_seconds=0) as live,
        live.connect(f"{NATIVE}?token={token(lasts=2)}") as client,
    ):
        await live.subscribed(client, "uw.v1.price.*")
        answer = await live.ask(client, op="auth", token=token(lasts=600))
        assert answer["op"] == "authenticated"
        assert 500_000 < answer["expires_in_ms"] <= 600_000
        await asyncio.sleep(2.1)  # past the old end: nothing else can show that nothing happens then
        live.say("uw.v1.price.SPY")

        assert (await live.hear(client))["op"] == "event"


async def test_a_wrong_token_in_band_changes_nothing(serve_with: Any):
    """Another subject's token, an expired or a forged one: refused, and the client stays who it was."""
    async with serve_with(**WITH_TOKENS) as live, live.connect(f"{NATIVE}?token={token()}") as client:
        await live.subscribed(client, "uw.v1.price.*")
        forged = jwt.encode({"sub": "alice"}, "f" * 32, "HS256")
        for wrong in (token("mallory"), token(lasts=-1), forged, "nonsense"):
            answer = await live.ask(client, op="auth", token=wrong)
            assert (answer["op"], answer["code"]) == ("error", "unauthenticated")
        (wire,) = live.gateway.hub.wires

        assert wire.identity.subject == "alice"
        assert live.gateway.entry.limits.counts()[Kind.SUBJECT] == {"alice": 1}
        assert live.gateway.entry.denials[Untrusted.OTHER_SUBJECT] == 1


async def test_narrower_rights_in_band_take_away_what_they_do_not_allow(serve_with: Any):
    """What the new token does not cover is heard no more."""
    async with serve_with(**WITH_TOKENS) as live, live.connect(f"{NATIVE}?token={token()}") as client:
        await live.subscribed(client, "uw.v1.price.*", "alert.v1.>")
        await live.ask(client, op="auth", token=token(rights={"subscribe": ["uw.v1.>"]}))
        assert (await live.hear(client))["code"] == "forbidden"
        live.say("alert.v1.x.SPY")
        live.say("uw.v1.price.SPY")

        assert (await live.hear(client))["topic"] == "uw.v1.price.SPY"


# How many.


async def test_a_subject_has_so_many_connections_and_no_more(serve_with: Any):
    """One too many is told to come later; a place that is left is free again, others are not concerned."""
    async with serve_with(**WITH_TOKENS, max_connections_per_subject=2) as live:
        one, two = live.connect(f"{NATIVE}?token={token()}"), live.connect(f"{SEED}?token={token()}")
        async with two:
            async with one:
                for path, code in ((NATIVE, 4103), (SEED, 1013)):
                    frame, closed_with, reason = await refused(live, f"{path}?token={token()}")
                    assert frame is not None
                    assert (frame["code"], closed_with) == ("too_many_connections", code)
                    assert ("retry_in_ms=" in reason) is (path == NATIVE)
                async with live.connect(f"{NATIVE}?token={token('bob')}") as other:
                    assert (await live.hear(other))["op"] == "welcome"
                async with live.connect(NATIVE) as late:
                    await live.hear(late)
                    assert (
                        "as many connections" in (await live.ask(late, op="auth", token=token()))["message"]
                    )
            await live.until(lambda: live.gateway.entry.limits.counts()[Kind.SUBJECT] == {"alice": 1})
            async with live.connect(f"{NATIVE}?token={token()}") as again:
                assert (await live.hear(again))["op"] == "welcome"
        await live.until(lambda: live.gateway.entry.limits.counts() == NOTHING_HELD)


async def test_a_crowd_that_comes_at_once_is_let_in_up_to_the_limits_and_no_further(serve_with: Any):
    """Whatever arrives together: at no moment are there more than may be, and afterwards nothing is left."""
    settings = {**WITH_TOKENS, "max_connections_per_subject": 5, "max_connections": 12}
    async with serve_with(**settings) as live:
        most: dict[str, int] = {}
        admit = live.gateway.hub.admit

        def watched(*given: Any) -> None:
            admit(*given)
            counts = live.gateway.entry.limits.counts()[Kind.SUBJECT]
            most["all"] = max(most.get("all", 0), len(live.gateway.hub))
            most["one"] = max(most.get("one", 0), *counts.values())

        live.gateway.hub.admit = watched
        everybody_came = asyncio.Barrier(60)

        async def come(number: int) -> int | None:
            text = token(f"subject-{number % 4}")
            async with live.connect(f"{(NATIVE, SEED)[number % 2]}?token={text}") as client:
                first = orjson.loads(await client.recv())
                await everybody_came.wait()
                if first.get("op", first.get("type")) == "error":
                    await client.wait_closed()
                    return client.close_code
                return None

        ended = await asyncio.gather(*map(come, range(60)))
        await live.until(lambda: not live.gateway.hub.wires)

        assert ended.count(None) == most["all"] == 12
        assert most["one"] <= 5
        assert {code for code in ended if code} <= {4101, 4103, 1013}
        assert live.gateway.entry.limits.counts() == NOTHING_HELD


async def test_connections_elsewhere_count_too(serve_with: Any):
    """What other processes tell of a subject is added."""
    async with serve_with(**WITH_TOKENS, max_connections_per_subject=2) as live:
        live.gateway.entry.limits.elsewhere = lambda kind, key: (
            2 if (kind, key) == ("subject", "alice") else 0
        )
        assert (await refused(live, f"{NATIVE}?token={token()}"))[1] == 4103
        async with live.connect(f"{NATIVE}?token={token('bob')}") as client:
            assert (await live.hear(client))["op"] == "welcome"


def behind_proxy(address: str) -> dict[str, Any]:
    """Return the options of a connection that a proxy passes on."""
    return {"additional_headers": {"X-Forwarded-For": f"6.6.6.6, {address}"}}


async def test_an_address_has_so_many_connections_and_no_more(serve_with: Any):
    """It is the one that the proxy we trust has seen."""
    settings = {"max_connections_per_address": 1, "trusted_proxies": ("127.0.0.1",)}
    async with serve_with(**settings) as live:
        async with live.connect(NATIVE, **behind_proxy("198.51.100.1")) as client:
            await live.hear(client)
            assert live.gateway.entry.limits.counts()[Kind.ADDRESS] == {"198.51.100.1": 1}
            assert (await refused(live, NATIVE, **behind_proxy("198.51.100.1")))[1] == 4103
            assert (await refused(live, SEED, **behind_proxy("198.51.100.1")))[1] == 1013
            async with live.connect(NATIVE, **behind_proxy("198.51.100.2")) as other:
                assert (await live.hear(other))["op"] == "welcome"
        await live.until(lambda: live.gateway.entry.limits.counts() == NOTHING_HELD)


async def test_a_header_from_this_machine_is_not_believed_where_no_proxy_is_named(serve_with: Any):
    """Neither by us nor by the server, which by itself would."""
    async with serve_with(max_connections_per_address=1) as live, AsyncExitStack() as clients:
        for _ in range(3):
            client = live.connect(NATIVE, **behind_proxy("198.51.100.1"))
            await live.hear(await clients.enter_async_context(client))

        assert live.gateway.entry.limits.counts() == NOTHING_HELD


async def test_handshakes_are_let_in_at_a_pace(serve_with: Any):
    """Who comes too early gets 503 and a time before anything is upgraded; a second later it comes in."""
    async with serve_with(handshakes_per_second=1) as live:
        async with live.connect(NATIVE), live.connect(NATIVE):
            with pytest.raises(InvalidStatus) as refusal:
                await live.connect(NATIVE)
            answer = refusal.value.response
            assert answer.status_code == 503
            assert 1 <= int(answer.headers["Retry-After"]) <= 3
            assert b"come again" in (answer.body or b"")
        assert live.gateway.entry.handshakes.refused == 1
        await asyncio.sleep(1.1)  # the time that was asked for
        async with live.connect(NATIVE) as client:
            assert (await live.hear(client))["op"] == "welcome"


async def test_one_address_that_storms_the_door_leaves_room_for_others(serve_with: Any):
    """Each has a pace of its own."""
    settings = {"handshakes_per_second_per_address": 1, "trusted_proxies": ("127.0.0.1",)}
    async with serve_with(**settings) as live:
        statuses = []
        for _ in range(5):
            try:
                async with live.connect(NATIVE, **behind_proxy("198.51.100.1")):
                    statuses.append(101)
            except InvalidStatus as refusal:
                statuses.append(refusal.response.status_code)
        assert statuses == [101, 101, 503, 503, 503]
        async with live.connect(NATIVE, **behind_proxy("198.51.100.2")) as other:
            assert (await live.hear(other))["op"] == "welcome"


async def test_every_reason_of_the_door_has_a_code_and_words(live: Any):
    """None is missing on either side; a native code says by its range whether to come back."""
    now = datetime.now(UTC)
    never = {Farewell.UNAUTHENTICATED, Farewell.EXPIRED, Farewell.FORBIDDEN}
    for reason in (*never, Farewell.CROWDED, Farewell.KEYLESS, Farewell.BUSY):
        code, words, _ = Conversation(live.gateway).farewell(reason, now)
        older, older_words, _ = Plain(FlowMind(), "x").farewell(reason, now)

        assert code in (range(4400, 4500) if reason in never else range(4100, 4200))
        assert older == (1008 if reason in never else 1013)
        assert words
        assert older_words
