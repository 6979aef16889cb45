"""History, accounts and dead letters over HTTP, over a real bus, with couriers that keep what is said."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, generate_latest

from alert_bridge.account.books import Books
from alert_bridge.account.gate import Gate
from alert_bridge.account.gauges import AccountGauges
from alert_bridge.account.operating import operating_routes
from alert_bridge.account.routes import history_routes
from alert_bridge.deliver import names
from alert_bridge.deliver.counts import Counts
from alert_bridge.deliver.ends import Record, State
from alert_bridge.deliver.reading import make
from alert_bridge.deliver.standing import Kept, kept_as
from alert_bridge.errors import Outcome
from alert_bridge.metrics import Dialect, Metrics
from alert_bridge.receive.shape import BridgedAlert
from baleen_bus import Bucket, Bus, Publisher, fetch_newest, open_bus, stream_epoch
from baleen_bus.buckets import DELIVERY
from baleen_contracts.dead_letter import DeadLetter, Redelivery
from baleen_runtime.clock import SystemClock
from baleen_runtime.serve import listen_on, serve

TOKEN = "an-operators-own-token"


@dataclass
class PlainAccount:
    """An account as somebody else keeps it."""

    name: str = "desk"
    accepted: int = 10
    delivered: int = 5
    suppressed: dict[str, int] = field(default_factory=lambda: {"muted": 2})
    dead: dict[str, int] = field(default_factory=lambda: {"rejected": 1})
    in_flight: int = 2
    unaccounted: int = 0
    possible_duplicates: int = 1
    state: str = "waiting"
    replayed: dict[str, int] = field(default_factory=dict)
    why: str = "rate_limited"
    served_by: str = "bridge-1"


class PlainCouriers:
    """Accounts and a ledger that say what a test says."""

    def __init__(self) -> None:
        self.told = [PlainAccount()]
        self.records: dict[int, dict[str, Record]] = {}

    async def snapshot(self) -> Sequence[PlainAccount]:
        """Whatever the test says."""
        return self.told

    async def read(self, seq: int) -> dict[str, Record]:
        """Whatever the test says."""
        return self.records.get(seq, {})


@dataclass
class Desk:
    """What a test works with."""

    client: httpx.AsyncClient
    bus: Bus
    couriers: PlainCouriers
    books: Books
    metrics: Metrics
    registry: CollectorRegistry


async def publish(bus: Bus, *messages: Any) -> list[int]:
    """Stores them in order, and says under which numbers."""
    async with Publisher(bus, source="test") as publisher:
        return [(await publisher.publish(message)).seq for message in messages]


def an_alert(name: str, **fields: object) -> BridgedAlert:
    """An alert as the bridge makes it."""
    given = {"alert_type": "flow", "source": "bot", "occurred_at": datetime.now(UTC)}
    return BridgedAlert(id=name, **{**given, **fields})


def a_letter(alert_id: str, destination: str = "desk", **fields: object) -> DeadLetter:
    """A dead letter."""
    now = datetime.now(UTC)
    given = {"reason": "rejected", "attempts": 3, "status": 400, "seq": 1}
    alert = an_alert(alert_id, title=f"about {alert_id}").model_dump(mode="json", exclude_none=True)
    return DeadLetter(
        occurred_at=now,
        received_at=now,
        destination=destination,
        alert_id=alert_id,
        **{**given, "alert": alert, **fields},
    )


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """The app on a free port until the block ends."""
    stop, listening = asyncio.Event(), asyncio.get_running_loop().create_future()
    socket = listen_on("127.0.0.1", 0, variable="NONE")
    server = asyncio.create_task(
        serve(app, sockets=[socket], stop=stop, on_listening=listening.set_result, ws="none"), name="serve"
    )
    try:
        yield f"http://127.0.0.1:{await listening}"
    finally:
        stop.set()
        await server


@asynccontextmanager
async def desk_over(bus: Bus, gate: Gate) -> AsyncIterator[Desk]:
    """The routes over *bus*, once the archive knows what is stored."""
    books, registry, couriers = Books(), CollectorRegistry(), PlainCouriers()
    metrics = Metrics(registry)
    app = FastAPI()
    app.include_router(history_routes(books, gate, metrics, SystemClock()))
    app.include_router(operating_routes(books, gate, SystemClock()))
    async with books.over(bus, ledger=couriers, accounts=couriers), served(app) as url:
        async with asyncio.timeout(10):
            while not books.archive.ready:  # noqa: ASYNC110 - it shows as a property alone
                await asyncio.sleep(0.01)
        async with httpx.AsyncClient(base_url=url, timeout=10) as client:
            yield Desk(client, bus, couriers, books, metrics, registry)


@pytest.fixture
async def bus(nats_server: Any) -> AsyncIterator[Bus]:
    """A connection to a bus with its streams."""
    async with open_bus(url=nats_server.url, name="account", connect_within=10) as opened:
        yield opened


@pytest.fixture
async def desk(bus: Bus) -> AsyncIterator[Desk]:
    """The routes on loopback."""
    async with desk_over(bus, Gate(None, trusts_loopback=True)) as opened:
        yield opened


async def keep_counts(bus: Bus, counts: Counts, destination: str = "desk") -> None:
    """Writes an account as couriers do."""
    kept = Kept(destination, counts, "2026-11-21T12:00:00Z")
    await Bucket(bus, DELIVERY).put(names.account_of(destination), kept_as(kept))


async def replays_to(bus: Bus, destination: str = "desk") -> list[Redelivery]:
    """What was sent again, in order."""
    found = await fetch_newest(bus, "DEAD", names.replays_to(destination), 100)
    return [Redelivery.model_validate_json(item.body) for item in found]


async def test_history_is_told_page_by_page(desk):
    """Oldest first, whole, with the place to go on from."""
    await publish(desk.bus, *(an_alert(f"a{n}", labels={"n": f"{n}"}) for n in range(5)))
    await desk.books.archive.settle()

    first = (await desk.client.get("/alerts", params={"since": "1h", "limit": 3})).json()
    rest = (await desk.client.get("/alerts", params={"since": first["next"]})).json()

    assert [one["alert"]["id"] for one in first["alerts"]] == ["a0", "a1", "a2"]
    assert first["more"] is True
    assert first["alerts"][2]["alert"]["labels"] == {"n": "2"}
    assert first["alerts"][2]["stored_at"].endswith("Z")
    assert [one["seq"] for one in rest["alerts"]] == [4, 5]
    assert (rest["more"], rest["next"]) == (False, 6)
    newest = (await desk.client.get("/alerts", params={"limit": 1, "source": "BOT"})).json()
    assert [one["alert"]["id"] for one in newest["alerts"]] == ["a4"]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/alerts?since=soon", "since"),
        ("/alerts?limit=5000", "limit"),
        ("/alerts?colour=red", "colour"),
        ("/dead?since=soon", "since"),
        ("/alerts/seq/many", "seq"),
        ("/alerts/seq/99999999999999999999", "seq"),
    ],
)
async def test_a_query_that_makes_no_sense_is_answered_with_its_cure(desk, path, field):
    """400, and the field with a sentence."""
    answer = await desk.client.get(path)

    assert answer.status_code == 400
    assert [problem["field"] for problem in answer.json()["errors"]] == [field]


async def test_an_alert_is_told_with_its_life_at_every_destination(desk):
    """By its id and by its number: what is written, what follows from the account, and what waits."""
    seqs = await publish(desk.bus, *(an_alert(f"a{n}") for n in range(4)))
    epoch = await stream_epoch(desk.bus, "ALERT")
    at = datetime(2026, 11, 21, 12, tzinfo=UTC)
    desk.couriers.told = [PlainAccount(name) for name in ("desk", "log", "phone")]
    desk.couriers.records[seqs[1]] = {
        "desk": Record(
            State.DELIVERED, at, epoch, attempts=2, again=1, remote_id="99", status=200, route="all"
        ),
        "log": Record(State.DEAD, at, epoch, "rejected", attempts=1, status=400, detail="too odd"),
    }
    await keep_counts(desk.bus, Counts(epoch, since=0, through=seqs[2]), "phone")
    await desk.books.archive.settle()

    told = (await desk.client.get("/alerts/a1")).json()
    by_seq = (await desk.client.get(f"/alerts/seq/{seqs[1]}")).json()

    assert (told["id"], told["older"]) == ("a1", 0)
    assert told["alerts"] == [by_seq]
    assert by_seq["alert"]["id"] == "a1"
    assert by_seq["life"] == [
        {
            "destination": "desk", "state": "delivered", "at": "2026-11-21T12:00:00Z", "attempts": 2,
            "possible_duplicates": 1, "remote_id": "99", "status": 200, "route": "all",
        },
        {
            "destination": "log", "state": "dead", "reason": "rejected", "at": "2026-11-21T12:00:00Z",
            "attempts": 1, "status": 400, "detail": "too odd",
        },
        {"destination": "phone", "state": "suppressed", "reason": "not_routed"},
    ]  # fmt: skip
    last = (await desk.client.get(f"/alerts/seq/{seqs[3]}")).json()["life"]
    assert {one["destination"]: one["state"] for one in last} == {
        "desk": "not_served", "log": "not_served", "phone": "in_flight",
    }  # fmt: skip


async def test_a_consumer_says_nothing_of_what_lies_before_its_start(desk):
    """One that had to be made anew has acknowledged nothing; one that began in time has."""
    seqs = await publish(desk.bus, *(an_alert(f"a{n}") for n in range(4)))
    epoch = await stream_epoch(desk.bus, "ALERT")
    desk.couriers.told = [PlainAccount("early"), PlainAccount("late")]
    for name, start in (("early", 1), ("late", 5)):
        await keep_counts(desk.bus, Counts(epoch, since=0, through=seqs[1]), name)
        await make(desk.bus, "ALERT", names.consumer_of(name), names.PATTERN, start)

    last = (await desk.client.get(f"/alerts/seq/{seqs[3]}")).json()["life"]
    second = (await desk.client.get(f"/alerts/seq/{seqs[1]}")).json()["life"]

    assert [one["state"] for one in last] == ["in_flight", "in_flight"]
    assert [one["state"] for one in second] == ["suppressed", "suppressed"]


async def test_several_sources_may_use_the_same_id(desk):
    """All are told, oldest first."""
    await publish(desk.bus, an_alert("1"), an_alert("1", source="other"))
    await desk.books.archive.settle()

    told = (await desk.client.get("/alerts/1")).json()["alerts"]

    assert [one["alert"]["source"] for one in told] == ["bot", "other"]


@pytest.mark.parametrize("name", ["a/b", "seq/1", "100%", "a?b=c", "..", "a#b", "é".encode().hex()])
async def test_an_id_may_hold_whatever_an_id_may_hold(desk, name):
    """Escaped in the path, and never taken for a number."""
    await publish(desk.bus, an_alert("first"), an_alert(name))
    await desk.books.archive.settle()
    escaped = "".join(f"%{byte:02X}" for byte in name.encode())

    told = (await desk.client.get(f"/alerts/{escaped}")).json()

    assert [one["alert"]["id"] for one in told["alerts"]] == [name]


async def test_what_is_not_known_is_answered_with_how_far_was_looked(desk):
    """404 and a sentence, by id and by number."""
    await publish(desk.bus, an_alert("a"))
    await desk.books.archive.settle()

    by_id, by_seq = await desk.client.get("/alerts/none"), await desk.client.get("/alerts/seq/7")

    assert (by_id.status_code, by_seq.status_code) == (404, 404)
    assert "among the newest 1, the oldest of 20" in by_id.json()["message"]
    assert "number 7" in by_seq.json()["message"]


async def test_an_alert_that_the_stream_let_go_is_not_there_any_more(desk):
    """Its id is still known; the answer says what happened to it."""
    [seq] = await publish(desk.bus, an_alert("a"))
    await desk.books.archive.settle()
    await desk.bus.request_json("$JS.API.STREAM.MSG.DELETE.ALERT", {"seq": seq})

    answer = await desk.client.get("/alerts/a")

    assert answer.status_code == 404
    assert f"has let go of the alert of this id, number {seq}" in answer.json()["message"]
    assert (await desk.client.get("/alerts", params={"since": "1h"})).json()["alerts"] == []


async def test_the_account_adds_up_and_tells_what_was_received(desk):
    """Per destination and in all; the receivers' own counts are this process's."""
    desk.couriers.told = [PlainAccount(), PlainAccount("another", accepted=7, in_flight=0, unaccounted=-1)]
    desk.metrics.answered(Dialect.JSON, Outcome.STORED, 0.01)
    desk.metrics.answered(Dialect.JSON, Outcome.INVALID, 0.01)

    told = (await desk.client.get("/account")).json()

    assert [one["name"] for one in told["destinations"]] == ["another", "desk"]
    assert told["destinations"][1]["suppressed"] == {"muted": 2}
    assert told["destinations"][1]["why"] == "rate_limited"
    assert told["totals"] == {
        "accepted": 17, "delivered": 10, "suppressed": 4, "dead": 2, "in_flight": 2, "unaccounted": -1,
        "possible_duplicates": 2,
    }  # fmt: skip
    assert told["received"] == {"json": {"stored": 1, "invalid": 1}}


async def test_the_account_can_be_checked_in_prometheus(desk):
    """The gauges are of one snapshot, and so add up for each destination."""
    gauges = AccountGauges(desk.registry)
    task = asyncio.create_task(gauges.run(desk.books), name="gauges")
    line = 'baleen_alert_bridge_account_accepted{destination="desk"} 10.0'
    async with asyncio.timeout(10):
        while line not in generate_latest(desk.registry).decode():  # noqa: ASYNC110 - shown nowhere else
            await asyncio.sleep(0.01)
    task.cancel()
    zero = 'baleen_alert_bridge_account_dead{destination="desk",reason="too_old"} 0.0'
    assert zero in generate_latest(desk.registry).decode()

    sums: Counter[str] = Counter()
    for family in desk.registry.collect():
        for sample in family.samples:
            if sample.labels.get("destination") == "desk":
                sums[sample.name.removeprefix("baleen_alert_bridge_account_")] += sample.value
    assert sums["accepted"] == sums["delivered"] + sums["suppressed"] + sums["dead"] + sums["in_flight"]
    assert sums["possible_duplicates"] == 1


async def test_a_stopped_destination_is_resumed_by_name(desk):
    """One that is not in the rules is told what there is."""
    unknown = await desk.client.post("/destinations/nowhere/resume")

    assert (await desk.client.post("/destinations/Desk/resume")).json() == {"resumed": "desk"}
    wish = await Bucket(desk.bus, DELIVERY).read(names.resume_of("desk"))
    assert wish is not None
    assert wish.value
    assert unknown.status_code == 404
    assert "there are desk" in unknown.json()["message"]
    told = (await desk.client.get("/destinations")).json()["destinations"]
    assert told == [
        {
            "name": "desk", "state": "waiting", "why": "rate_limited", "served_by": "bridge-1",
            "in_flight": 2, "dead": 1,
        }
    ]  # fmt: skip


async def test_dead_letters_are_told_and_sent_again_once(desk):
    """With what they hold; a letter that was sent again says so and is not sent by a second request."""
    seqs = await publish(desk.bus, a_letter("a"), a_letter("b", "Phone"), a_letter("c"))

    page = (await desk.client.get("/dead", params={"destination": "desk"})).json()
    assert [(one["seq"], one["alert_id"], one["status"], one["sent_again"]) for one in page["letters"]] == [
        (seqs[0], "a", 400, False),
        (seqs[2], "c", 400, False),
    ]
    assert page["letters"][0]["alert"]["title"] == "about a"

    ask = {"destination": "desk", "seqs": [seqs[0], seqs[1]]}
    would = (await desk.client.post("/dead/redeliver", json=ask | {"dry_run": True})).json()
    assert (would["would_send"], len(would["refused"])) == (1, 1)
    assert await replays_to(desk.bus) == []
    first = (await desk.client.post("/dead/redeliver", json=ask)).json()
    assert first["sent_again"] == [seqs[0]]
    assert first["refused"] == [{"seq": seqs[1], "why": "it was to phone"}]
    rest = (await desk.client.post("/dead/redeliver", json={"destination": "desk", "all": True})).json()
    assert (rest["sent_again"], rest["left"]) == ([seqs[2]], 0)
    none = (await desk.client.post("/dead/redeliver", json={"destination": "desk", "all": True})).json()
    assert none["sent_again"] == []
    assert [one.alert_id for one in await replays_to(desk.bus)] == ["a", "c"]
    assert all(one.replays == 1 for one in await replays_to(desk.bus))
    page = (await desk.client.get("/dead", params={"since": "1h"})).json()
    assert [one["sent_again"] for one in page["letters"]] == [True, False, True]


async def test_a_letter_that_holds_no_alert_is_not_sent_again(desk):
    """What was too large to travel whole, or never was an alert: the answer says so."""
    [seq] = await publish(desk.bus, a_letter("a", alert={"too_large": True}))

    told = (await desk.client.post("/dead/redeliver", json={"destination": "desk", "seqs": [seq]})).json()

    assert told["sent_again"] == []
    assert told["refused"] == [{"seq": seq, "why": "it holds no alert that could be sent"}]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"destination": "desk"}', 400),
        (b'{"destination": "desk", "seqs": [1], "all": true}', 400),
        (b'{"destination": "desk", "seqs": []}', 400),
        (b'{"destination": "desk", "seqs": ["1"]}', 400),
        (b'{"destination": "desk", "everything": true}', 400),
        (b'{"destination": "nowhere", "all": true}', 404),
        (b"[" * 70_000, 413),
    ],
)
async def test_a_request_to_send_again_says_what_it_means(desk, body, status):
    """Anything else is refused with a sentence, and nothing is sent."""
    answer = await desk.client.post("/dead/redeliver", content=body)

    assert answer.status_code == status
    assert answer.json()["message"]
    assert await replays_to(desk.bus) == []


PATHS = [
    ("GET", "/alerts"),
    ("GET", "/alerts/a"),
    ("GET", "/alerts/seq/1"),
    ("GET", "/account"),
    ("GET", "/destinations"),
    ("GET", "/dead"),
    ("POST", "/dead/redeliver"),
    ("POST", "/destinations/desk/resume"),
]


async def test_elsewhere_only_the_operators_token_opens_anything(bus):
    """401 without it, by every road; with it all is told."""
    await publish(bus, an_alert("a", content="nobody else's business"))
    async with desk_over(bus, Gate(TOKEN, trusts_loopback=False)) as desk:
        for method, path in PATHS:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
                answer = await desk.client.request(method, path, headers=headers)
                assert (path, answer.status_code) == (path, 401)
                assert "business" not in answer.text
                assert TOKEN not in answer.text
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert (await desk.client.get("/alerts/a", headers=headers)).status_code == 200


async def test_a_web_page_may_not_use_an_open_door(desk):
    """Any page could ask a port of this machine; only browsers say where they come from."""
    for method, path in PATHS:
        answer = await desk.client.request(method, path, headers={"Origin": "http://evil.example"})
        assert (path, answer.status_code) == (path, 403)
    assert await Bucket(desk.bus, DELIVERY).read(names.resume_of("desk")) is None


async def test_without_a_bus_it_says_so():
    """503 and when to come back; the process lives."""
    books = Books()
    app, gate = FastAPI(), Gate(None, trusts_loopback=True)
    app.include_router(history_routes(books, gate, Metrics(CollectorRegistry()), SystemClock()))
    app.include_router(operating_routes(books, gate, SystemClock()))
    async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
        for method, path in PATHS[:-2]:
            answer = await client.request(method, path)
            assert (path, answer.status_code) == (path, 503)
            assert answer.headers["Retry-After"] == "2"
            assert (
                "connection to the bus" in answer.json()["message"]
                or "being read" in answer.json()["message"]
            )
