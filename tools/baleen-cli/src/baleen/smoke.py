"""`baleen smoke`: the whole road once, from upstream and webhook to a client, and how long it took."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
from rich.table import Table
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from baleen.conversation import read_frame, subscribed
from baleen.errors import CannotRun
from baleen.hops import Hops, hops
from baleen.launch import running
from baleen.leaving import until_asked_to_leave
from baleen.plan import LOOPBACK, PREFIXES, TOKEN_VARIABLES, Plan
from baleen.ports import free_ports
from baleen.state import project_root
from baleen.terminal import Terminal
from baleen.up import local_plan
from baleen_bus.connection import Bus, open_bus
from baleen_contracts.catalogue import by_name

INTERRUPTED = 130
WANTED = ("flow_alert", "congress_trade", "alert")
_LINES_KEPT = 12


@dataclass
class _Diary:
    """Keeps the last lines of every process, to be shown only if something goes wrong."""

    terminal: Terminal
    last: dict[str, deque[str]] = field(default_factory=dict)

    def line(self, name: str, text: str) -> None:
        """Keep one line of a process."""
        self.last.setdefault(name, deque(maxlen=_LINES_KEPT)).append(text)

    def progress(self, text: str) -> None:
        """Show one step of ours."""
        self.terminal.progress(text)

    def tell(self) -> None:
        """Show what was kept."""
        for name, lines in self.last.items():
            for text in lines:
                self.terminal.line(name, text)


@dataclass(frozen=True, slots=True)
class _Sighting:
    """The first message of a kind at the client."""

    data: dict[str, Any]
    arrived: datetime


def smoke(within: float, terminal: Terminal) -> int:
    """Start everything on free ports with simulated data.

    Returns:
        0 if each kind arrived *within* so many seconds of everything being ready, else 1.
    """
    diary = _Diary(terminal)
    try:
        root = project_root(Path.cwd())
        with tempfile.TemporaryDirectory(prefix="baleen-smoke-") as folder:
            ours = (*PREFIXES.values(), *TOKEN_VARIABLES)
            settings = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
            settings |= {"UW_SIMULATOR_CONGRESS_EVERY": "1", "UW_INGEST_CONGRESS_EVERY": "2"}
            plan = local_plan(settings, root=root, folder=Path(folder), ports=free_ports())
            return asyncio.run(until_asked_to_leave(_walk(plan, within, diary), terminal, left=INTERRUPTED))
    except CannotRun as problem:
        diary.tell()
        terminal.problem(str(problem))
        return 1


async def _walk(plan: Plan, within: float, diary: _Diary) -> int:
    async with running(plan, diary) as children:
        diary.progress(f"waiting for {', '.join(WANTED)} at a WebSocket client")
        looking = asyncio.create_task(_look(plan, within), name="look")
        either: set[asyncio.Future[Any]] = {looking, children.ended}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not looking.done():
            looking.cancel()
            await children.alive_for(0)
        measured, seed_frame = looking.result()
    diary.terminal.console.print(_table(measured))
    diary.progress(f"the seed route sent {seed_frame}")
    diary.progress("the road is open")
    return 0


async def _look(plan: Plan, within: float) -> tuple[dict[str, Hops], str]:
    """Return the hops of the first message of each kind, and what the seed route sent first."""
    topics = [by_name(name).pattern for name in WANTED]
    seen: dict[str, _Sighting] = {}
    team = plan.passwords["team"]
    url = f"ws://{LOOPBACK}:{plan.ports.gateway}"
    try:
        async with (
            asyncio.timeout(within),
            open_bus(url=plan.nats_url, user="team", password=team, name="baleen-cli/smoke") as bus,
            subscribed(f"{url}/v1/stream", topics, snapshot=False) as (connection, _),
        ):
            stored = _Stored()
            await stored.follow(bus, topics)
            async with asyncio.TaskGroup() as group:
                seed = group.create_task(_first_of_seed_route(f"{url}/api/stream/ws/flow"), name="seed route")
                group.create_task(_see_all(connection, seen), name="see all")
                group.create_task(_post_alert(plan), name="post an alert")
            measured = {name: await stored.hops(seen[name]) for name in WANTED}
    except TimeoutError:
        missing = ", ".join(name for name in WANTED if name not in seen) or "frame of the seed route"
        raise CannotRun(f"Within {within:g} s there arrived no {missing}.") from None
    return measured, seed.result()


async def _see_all(connection: ClientConnection, seen: dict[str, _Sighting]) -> None:
    """Take frames until each kind was *seen*."""
    while not seen.keys() >= set(WANTED):
        try:
            frame = read_frame(await connection.recv())
        except ConnectionClosed as error:
            raise CannotRun(f"The gateway hung up: {error}") from error
        if frame["op"] == "event":
            seen.setdefault(_entity(frame["topic"]), _Sighting(frame["data"], datetime.now(UTC)))


class _Stored:
    """When the bus stored each message, found again by its body."""

    def __init__(self) -> None:
        self._times: dict[bytes, str] = {}
        self._more = asyncio.Event()

    async def follow(self, bus: Bus, topics: list[str]) -> None:
        """Hear *topics* beside the gateway."""
        for topic in topics:
            await bus.nc.subscribe(topic, cb=self._note)
        await bus.nc.flush()

    async def hops(self, sighting: _Sighting) -> Hops:
        """Measure a message; the client may have had it before we had."""
        key = _same(sighting.data)
        while key not in self._times:
            self._more.clear()
            await self._more.wait()
        return hops(sighting.data, stored=self._times[key], arrived=sighting.arrived)

    async def _note(self, message: Any) -> None:
        self._times[_same(orjson.loads(message.data))] = (message.headers or {}).get("Nats-Time-Stamp", "")
        self._more.set()


async def _first_of_seed_route(url: str) -> str:
    """Return the channel of the first frame that an existing front end would see."""
    try:
        async with connect(url, proxy=None) as connection:
            frame = orjson.loads(await connection.recv())
    except (OSError, InvalidHandshake, ConnectionClosed) as error:
        raise CannotRun(f"{url}: {error}") from error
    return f"{frame.get('channel')} with {len(frame)} fields"


async def _post_alert(plan: Plan) -> None:
    """Post as a bot would to Discord."""
    async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
        answer = await http.post(plan.place.webhook, json={"content": "smoke: an alert"})
    if not answer.is_success:
        raise CannotRun(f"alert-bridge answered {answer.status_code} to the webhook: {answer.text[:200]}")


def _entity(subject: str) -> str:
    return "alert" if subject.startswith("alert.") else subject.split(".")[2]


def _same(body: Any) -> bytes:
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def _table(measured: dict[str, Hops]) -> Table:
    table = Table(title="Latency of the first message of each kind, in milliseconds", title_justify="left")
    table.add_column("", no_wrap=True)
    for heading in ("upstream to receipt", "receipt to stored", "stored to client", "receipt to client"):
        table.add_column(heading, justify="right")
    for name, one in measured.items():
        figures = (one.upstream, one.stored, one.client, one.whole)
        table.add_row(name, *("-" if value is None else f"{value:.1f}" for value in figures))
    return table
