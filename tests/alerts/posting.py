"""Posts alerts as bots do, one after the other per source, and reads what came of it."""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any

import httpx
from tests.alerts.bridges import Bridge

GIVE_UP_AFTER = 60.0  # seconds in which some replica must answer


def embed(mark: str) -> dict[str, Any]:
    """What checkers say, with a mark by which the pretend Discord knows it again."""
    fields = [{"name": "Size", "value": "1,250,000", "inline": True}, {"name": "Price", "value": "571.20"}]
    return {"title": "SPY dark pool print", "description": f"At the offer. mark:{mark}", "fields": fields}


class Poster:
    """One source: posts until it is taken, then posts the next, so that its alerts have an order.

    Args:
        source: its name, and the beginning of every mark.
        bridges: replicas; which of them is asked changes with every failure.
        path: of the source's webhook.
        said: what alert number *n* says beside its mark.
    """

    def __init__(
        self,
        source: str,
        bridges: Sequence[Bridge],
        path: str,
        said: Callable[[int], Mapping[str, Any]] = lambda _: {},
    ) -> None:
        self.source = source
        self.accepted: list[str] = []
        self.repeats = 0
        self._bridges = bridges
        self._path = path
        self._said = said
        self._turn = count()

    async def post(self, alerts: int) -> None:
        """Post so many."""
        async with httpx.AsyncClient(timeout=5) as client:
            for _ in range(alerts):
                await self._post_next(client)

    async def post_until(self, stop: asyncio.Event, pause: float) -> None:
        """Post until *stop*, with a pause after each."""
        async with httpx.AsyncClient(timeout=5) as client:
            while not stop.is_set():
                await self._post_next(client)
                await asyncio.sleep(pause)

    async def _post_next(self, client: httpx.AsyncClient) -> None:
        number = len(self.accepted)
        mark = f"{self.source}-{number}"
        body = {"embeds": [embed(mark)], **self._said(number)}
        async with asyncio.timeout(GIVE_UP_AFTER):
            while not await self._taken(client, mark, body):
                self.repeats += 1
        self.accepted.append(mark)

    async def _taken(self, client: httpx.AsyncClient, mark: str, body: Mapping[str, Any]) -> bool:
        bridge = self._bridges[next(self._turn) % len(self._bridges)]
        if bridge.port:
            try:
                url, key = bridge.http + self._path, {"Idempotency-Key": mark}
                answer = await client.post(url, json=body, headers=key)
            except httpx.TransportError:
                pass
            else:
                if answer.is_success:
                    return True
                assert answer.status_code >= 500, answer.text
        await asyncio.sleep(0.02)
        return False


def marks_of(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """Every mark that was said, in order, repeats included."""
    return [mark for entry in entries if entry["deed"] == "said" for mark in entry["marks"]]


def repeats_in(marks: Sequence[str]) -> int:
    """How many marks were said before."""
    return sum(times - 1 for times in Counter(marks).values())


def out_of_order(marks: Iterable[str]) -> list[str]:
    """Marks that were first said after a later one of their source."""
    highest: dict[str, int] = {}
    seen: set[str] = set()
    wrong = []
    for mark in marks:
        source, _, number = mark.rpartition("-")
        if mark not in seen and int(number) < highest.get(source, -1):
            wrong.append(mark)
        seen.add(mark)
        highest[source] = max(highest.get(source, -1), int(number))
    return wrong


def least_seconds(messages: int, figures: Mapping[str, float]) -> float:
    """How long so many messages of one webhook take at least, by the limits of webhook and channel."""
    return max(
        (math.ceil(messages / figures[f"{whose}_limit"]) - 1) * figures[f"{whose}_window"]
        for whose in ("webhook", "channel")
    )
