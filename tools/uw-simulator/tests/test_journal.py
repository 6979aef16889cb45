"""The ledger of what was said: complete, with the identities of the bus, and cheap enough to leave on."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from uw_ingest.normalize import from_rest, from_socket
from uw_simulator.bursts import MAKERS
from uw_simulator.identities import ENTITIES, message_id
from uw_simulator.journal import Journal
from uw_simulator.market.market import Market
from uw_simulator.samples import socket_frames
from uw_simulator.testing import Simulator
from uw_simulator.twins import TWINS

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
ENDPOINTS = {
    "flow-alerts": "option-trades/flow-alerts",
    "off_lit_trades": "darkpool/recent",
    "lit_trades": "lit-flow/recent",
}


def lines(path: Path | str) -> list[list[str]]:
    """Return the words of each line."""
    return [line.split(" ") for line in Path(path).read_text().splitlines()]


@pytest.mark.parametrize("channel", sorted(ENTITIES))
def test_the_identity_is_the_one_under_which_the_record_is_published(channel: str):
    """For every captured frame of every feed where each record counts."""
    frames = socket_frames()[channel]
    assert frames
    for joined, payload in frames:
        published = from_socket(joined, payload, NOW).message_id
        ticker = joined.partition(":")[2] or None
        assert message_id(channel, ticker, orjson.dumps(payload)) == published
        spaced = orjson.dumps(payload, option=orjson.OPT_INDENT_2)
        assert message_id(channel, ticker, spaced) == published


def test_the_identity_of_a_bad_record_is_a_question_mark():
    """Whatever somebody lets be said, noting it breaks nothing; channels of states are not noted."""
    for payload in (b"[]", b"x", b"{}", b'{"price":"much"}', b'{"id":"short"'):
        assert str(message_id("lit_trades", None, payload)).endswith(":?")
    assert message_id("price", "SPY", b"{}") is None


@pytest.mark.parametrize("channel", sorted(TWINS))
def test_a_record_and_its_twin_on_rest_are_one_message(channel: str):
    """The socket's record and the REST row get one identity, so that a backfill repeats nothing."""
    made = Market(chance=Random(3), today=date(2026, 11, 20), id_prefix="00000000-0000-4000-8000-")  # noqa: S311
    records = [orjson.loads(MAKERS[channel](made, "SPY", int(NOW.timestamp() * 1000))[2]) for _ in range(200)]
    for record in [*records, *(payload for _, payload in socket_frames()[channel])]:
        row = TWINS[channel](orjson.dumps(record), NOW.timestamp())
        (told,) = from_rest(ENDPOINTS[channel], {"data": [row]}, NOW)
        assert not isinstance(told, str), told
        assert told.message_id == from_socket(channel, record, NOW).message_id


async def test_everything_said_is_noted_heard_or_not(connect: Any, tmp_path: Path):
    """With the moment, the sockets that got it, and the identity; state channels are left out."""
    file = tmp_path / "journal"
    async with Simulator.in_process(journal=file) as simulator, connect(simulator) as client:
        await simulator.control.burst("off_lit_trades", count=3)
        await client.join("option_trades", "price")
        before = time.time()
        await simulator.control.burst("option_trades", count=50)
        await simulator.control.burst("price", count=5)
        heard = [await client.read() for _ in range(55)]
        told = (await simulator.control.state())["journal"]

    noted = lines(file)
    assert told == {"path": str(file), "lines": 53, "bytes": file.stat().st_size, "missing": 0}
    assert [(channel, to) for _, channel, to, _ in noted] == [("off_lit_trades", "-")] * 3 + [
        ("option_trades", "1")
    ] * 50
    trades = [payload["id"] for channel, payload in heard if channel == "option_trades"]
    assert [identity for *_, identity in noted[3:]] == [f"option_trade:{trade}" for trade in trades]
    assert all(before * 1000 - 1 <= int(at) <= time.time() * 1000 for at, *_ in noted[3:])


async def test_what_a_lagging_reader_lost_is_noted(connect: Any, tmp_path: Path):
    """The number of lines that were for it and did not reach it stands in the journal."""
    file = tmp_path / "journal"
    async with (
        Simulator.in_process(journal=file, backlog_bytes=65_536) as simulator,
        connect(simulator, max_queue=1) as slow,
    ):
        await slow.join("option_trades")
        await simulator.control.burst(count=30_000, rate=1e9, lossless=False)
        dropped = (await simulator.control.state())["connections"][0]["dropped"]

    noted = lines(file)
    assert dropped > 0
    assert sum(int(count) for _, channel, _, count in noted if channel == "!") == dropped
    assert sum(channel == "option_trades" for _, channel, *_ in noted) == 30_000


def test_a_full_journal_writes_no_more_and_says_so(tmp_path: Path):
    """The disk is not filled; what is missing is counted."""
    journal = Journal(tmp_path / "journal", 100)
    for n in range(10):
        journal.note(n, "option_trades", None, b'{"id":"%d"}' % n, [1])
        journal.write()
    journal.close()

    assert journal.lines + journal.missing == 10
    assert journal.path.stat().st_size == journal.bytes <= 100


def test_five_thousand_a_second_are_nothing_to_note(tmp_path: Path):
    """A second's worth of option trades is noted in a small part of a second."""
    made = Market(chance=Random(3), today=date(2026, 11, 20), id_prefix="00000000-0000-4000-8000-")  # noqa: S311
    frames = [made.option_trade(0) for _ in range(5_000)]
    journal = Journal(tmp_path / "journal", 2**30)
    started = time.process_time()
    for n, (ticker, payload) in enumerate(frames):
        journal.note(1.0, "option_trades", ticker, payload, [1])
        if n % 25 == 0:
            journal.write()
    journal.close()

    assert time.process_time() - started < 0.25
    assert journal.lines == 5_000
