"""Sends dead letters to their destination again, whichever replica serves it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from alert_bridge.account.bodies import read_seqs
from alert_bridge.account.dead_index import LETTERS, STREAM
from alert_bridge.deliver.letters import replay_of
from baleen_bus import Bus, Publisher, Unreachable
from baleen_contracts.dead_letter import DeadLetter

_CHUNK: Final = 20
_WITHIN: Final = 20.0


async def send_again(bus: Bus, seqs: Sequence[int], now: datetime) -> tuple[list[int], dict[int, str]]:
    """Puts the letters of these numbers on their way again, in their order.

    Returns:
        those that are, and why the others are not.

    Raises:
        BusError: the bus does not take one now; those before it are on their way.
    """
    sent: list[int] = []
    refused: dict[int, str] = {}
    try:
        async with asyncio.timeout(_WITHIN), Publisher(bus, source="alert-bridge") as publisher:
            for place in range(0, len(seqs), _CHUNK):
                for item in await read_seqs(bus, STREAM, LETTERS, seqs[place : place + _CHUNK]):
                    try:
                        replay = replay_of(DeadLetter.model_validate_json(item.body), now)
                    except ValueError:
                        refused[item.seq] = "it holds no alert that could be sent"
                        continue
                    await publisher.publish(replay)
                    sent.append(item.seq)
    except TimeoutError:
        raise Unreachable(f"only {len(sent)} letters are on their way; ask again for the others") from None
    gone = frozenset(seqs) - frozenset(sent) - refused.keys()
    return sent, refused | dict.fromkeys(sorted(gone), "the stream has let go of it")
