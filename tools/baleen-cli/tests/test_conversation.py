"""Talking to a gateway that asks who we are."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
import pytest
from websockets.asyncio.server import ServerConnection, serve

from baleen.conversation import subscribed
from baleen.errors import CannotRun


@pytest.fixture
async def gateway() -> AsyncIterator[str]:
    """A gateway that knows one token, and asks who hands in none."""

    async def answer(client: ServerConnection) -> None:
        assert client.request is not None
        handed_in = client.request.headers.get("Authorization")
        if handed_in == "Bearer wrong":
            await client.close(4401, "the token is wrong")
            return
        await client.send(orjson.dumps({"op": "welcome", "auth": handed_in is None}).decode())
        asked = orjson.loads(await client.recv())
        await client.send(orjson.dumps({"op": "subscribed", "topics": asked["topics"], "at": []}).decode())
        await client.wait_closed()

    async with serve(answer, "127.0.0.1", 0) as server:
        host, port = next(iter(server.sockets)).getsockname()
        yield f"ws://{host}:{port}/v1/stream"


async def test_a_token_is_handed_in(gateway: str):
    """In a header, which no address shows."""
    async with subscribed(gateway, ["uw.v1.>"], snapshot=False, token="right") as talk:
        assert not talk.simulated


@pytest.mark.parametrize(("token", "words"), [(None, "GATEWAY_TOKEN"), ("wrong", "the token is wrong")])
async def test_without_a_good_one_it_is_said_what_to_do(gateway: str, token: str | None, words: str):
    """What the gateway says is shown, and where a token is given."""
    with pytest.raises(CannotRun, match=words):
        async with subscribed(gateway, ["uw.v1.>"], snapshot=False, token=token):
            pass
