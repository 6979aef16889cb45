"""A client of the gateway's native protocol: subscribe, then take frames as they come."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.typing import Subprotocol

from baleen.errors import CannotRun
from baleen_contracts.catalogue import CATALOGUE

SUBPROTOCOL = Subprotocol("baleen.v1")


class Conversation(NamedTuple):
    """A subscribed connection, and whether the gateway says that its data is simulated."""

    connection: ClientConnection
    simulated: bool


def topics_of(words: Sequence[str]) -> list[str]:
    """Return topics for what a person typed: a subject or wildcard as it is, or the name of an entity.

    Raises:
        CannotRun: a word is neither.
    """
    patterns = {entity.name: entity.pattern for entity in CATALOGUE if entity.stream}
    topics = []
    for word in words:
        if "." not in word and word != ">" and word not in patterns:
            raise CannotRun(
                f"{word!r} is no subject and no entity; entities are {', '.join(sorted(patterns))}."
            )
        topics.append(patterns.get(word, word))
    return topics


@contextlib.asynccontextmanager
async def subscribed(
    url: str, topics: Sequence[str], *, snapshot: bool, token: str | None = None
) -> AsyncIterator[Conversation]:
    """Connect and subscribe, and wait until the server says so; leave the block to hang up.

    Args:
        url: the gateway.
        topics: what to hear.
        snapshot: whether to begin with the present.
        token: who we are, where the gateway asks.

    Raises:
        CannotRun: nobody listens there, or it speaks another language.
    """
    try:
        connection = await connect(
            url,
            subprotocols=[SUBPROTOCOL],
            additional_headers={"Authorization": f"Bearer {token}"} if token else {},
            max_size=1 << 22,
            open_timeout=10,
            proxy=None,
        )
    except (OSError, InvalidHandshake, InvalidURI) as error:
        raise CannotRun(
            f"No conversation with {url}: {error}. Is Baleen up (`make up`), and is this its gateway?"
        ) from error
    async with connection:
        request = {"op": "subscribe", "topics": list(topics), "snapshot": snapshot, "id": 1}
        simulated = False
        try:
            await connection.send(orjson.dumps(request).decode())
            while (frame := read_frame(await connection.recv()))["op"] != "subscribed":
                simulated = simulated or bool(frame.get("simulated"))
                if frame.get("auth"):
                    raise CannotRun("The gateway asks for a token: give one in the variable GATEWAY_TOKEN.")
        except ConnectionClosed as error:
            raise CannotRun(f"The gateway hung up: {error}") from error
        yield Conversation(connection, simulated)


def read_frame(text: str | bytes) -> dict[str, Any]:
    """Return one frame of the server.

    Raises:
        CannotRun: the server refused what was asked.
    """
    frame: dict[str, Any] = orjson.loads(text)
    if frame.get("op") == "error":
        raise CannotRun(f"The gateway refused: {frame.get('message', frame.get('code'))}")
    return frame
