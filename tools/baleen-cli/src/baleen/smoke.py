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
from baleen.plan import PREFIXES, TOKEN_VARIABLES, Plan
from baleen.ports import LOOPBACK, free_ports
from baleen.state import project_root
from baleen.terminal import Terminal
from baleen.up import local_plan, until_signal
from baleen_bus.connection import Bus, open_bus
from baleen_contracts.catalogue import by_name

WANTED = ("flow_alert", "congress_trade", "alert")
ARRIVES_WITHIN = 60.0
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


def smoke(terminal: Terminal) -> int:
    """Start everything on free ports with simulated data; return 0 if each kind arrived, else 1."""
    diary = _Diary(terminal)
    try:
        root = project_root(Path.cwd())
        with tempfile.TemporaryDirectory(prefix="baleen-smoke-") as folder:
            ours = (*PREFIXES.values(), *TOKEN_VARIABLES)
            settings = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
            settings |= {"UW_SIMULATOR_CONGRESS_EVERY": "1", "UW_INGEST_CONGRESS_EVERY": "2"}
            plan = local_plan(settings, root=root, folder=Path(folder), ports=free_ports())
            return asyncio.run(until_signal(_walk(plan, diary), terminal))
    except CannotRun as problem:
        diary.tell()
        terminal.problem(str(problem))
        return 1


async def _walk(plan: Plan, diary: _Diary) -> int:
    async with running(plan, diary) as children:
        diary.progress(f"waiting for {', '.join(WANTED)} at a WebSocket client")
        looking = asyncio.create_task(_look(plan), name="look")
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


async def _look(plan: Plan) -> tuple[dict[str, Hops], str]:
    """Return the hops of the first message of each kind, and what the seed route sent first."""
    topics = [by_name(name).pattern for name in WANTED]
    stored: dict[bytes, str] = {}
    seen: dict[str, Hops] = {}
    team = plan.passwords["team"]
    url = f"ws://{LOOPBACK}:{plan.ports.gateway}"
    try:
        async with (
            asyncio.timeout(ARRIVES_WITHIN),
            open_bus(url=plan.nats_url, user="team", password=team, name="baleen-cli/smoke") as bus,
            subscribed(f"{url}/v1/stream", topics, snapshot=False) as (connection, _),
            asyncio.TaskGroup() as group,
        ):
            await _note_stored(bus, topics, stored)
            seed = group.create_task(_first_of_seed_route(f"{url}/api/stream/ws/flow"), name="seed route")
            group.create_task(_see_all(connection, seen, stored), name="see all")
            group.create_task(_post_alert(plan), name="post an alert")
    except TimeoutError:
        missing = ", ".join(name for name in WANTED if name not in seen) or "frame of the seed route"
        raise CannotRun(f"Within {ARRIVES_WITHIN:.0f} s there arrived no {missing}.") from None
    return {name: seen[name] for name in WANTED}, seed.result()


async def _see_all(connection: ClientConnection, seen: dict[str, Hops], stored: dict[bytes, str]) -> None:
    """Take frames until each kind was *seen*."""
    while not seen.keys() >= set(WANTED):
        try:
            frame = read_frame(await connection.recv())
        except ConnectionClosed as error:
            raise CannotRun(f"The gateway hung up: {error}") from error
        arrived = datetime.now(UTC)
        if frame["op"] == "event":
            when = stored.get(_same(frame["data"]))
            seen.setdefault(_entity(frame["topic"]), hops(frame["data"], stored=when, arrived=arrived))


async def _note_stored(bus: Bus, topics: list[str], stored: dict[bytes, str]) -> None:
    """Keep the time the bus gave each message, found again by its body."""

    async def note(message: Any) -> None:
        stored[_same(orjson.loads(message.data))] = (message.headers or {}).get("Nats-Time-Stamp", "")

    for topic in topics:
        await bus.nc.subscribe(topic, cb=note)
    await bus.nc.flush()


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
    for heading in ("", "upstream to receipt", "receipt to stored", "stored to client", "receipt to client"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, one in measured.items():
        figures = (one.upstream, one.stored, one.client, one.whole)
        table.add_row(name, *("-" if value is None else f"{value:.1f}" for value in figures))
    return table
