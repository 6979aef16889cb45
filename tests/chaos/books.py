"""Reads the books at the end of a drill: upstream's journal, the streams, the announced gaps."""

import time
from collections.abc import Sequence
from pathlib import Path

import orjson
from tests.chaos.fleet import until
from tests.chaos.ledger import Announced, Said

from baleen_bus import Bus
from baleen_bus.envelope import header_text
from baleen_bus.reading import Delivered, fetch_after
from baleen_contracts.feed import FeedGap
from uw_ingest.channels import feed_of

STREAMS = ("TAPE", "RECORDS", "CUSTOM")
"""Where messages of upstream's whose feeds must be whole are kept."""


async def stored_ids(bus: Bus) -> list[str]:
    """The ids of everything that the streams hold, one per stored message."""
    found = list[str]()

    def note(item: Delivered) -> None:
        found.append(header_text(item.headers["Nats-Msg-Id"]))

    for stream in STREAMS:
        await fetch_after(bus, stream, ">", 0, note)
    return found


async def gaps(bus: Bus) -> list[FeedGap]:
    """Every gap that was announced, oldest first."""
    found = list[FeedGap]()

    def note(item: Delivered) -> None:
        found.append(FeedGap.model_validate(orjson.loads(item.body)))

    await fetch_after(bus, "FEED", "feed.v1.gap.>", 0, note)
    return found


def announced(gap: FeedGap) -> Announced:
    """The gap as the ledger reads it."""
    return Announced(gap.feed, gap.started_at.timestamp(), gap.ended_at.timestamp(), str(gap.reason))


def said(journal: Path, channels: Sequence[str], since: float) -> list[Said]:
    """What upstream said on these channels since a moment (epoch seconds), to whomever, nobody included.

    Raises:
        AssertionError: upstream threw frames away because a reader lagged; then nobody could have known.
    """
    found, dropped = list[Said](), 0
    names = {channel.partition(":")[0] for channel in channels}
    for line in journal.read_text().splitlines():
        at, channel, to, identity = line.split(" ", 3)
        if channel == "!":
            dropped += int(identity)
        elif channel in names and int(at) >= since * 1000:
            found.append(Said(int(at) / 1000, feed_of(channel), identity, to))
    assert not dropped, f"upstream dropped {dropped} frames of readers that lag: the drill is too fast"
    return found


async def at_rest(bus: Bus) -> None:
    """Wait until the stream has not grown for two seconds."""
    last = {"seq": -1, "since": 0.0}

    async def grown() -> bool:
        seq = (await bus.request_json("$JS.API.STREAM.INFO.TAPE"))["state"]["last_seq"]
        if seq != last["seq"]:
            last.update(seq=seq, since=time.monotonic())
        return time.monotonic() - last["since"] > 2

    await until(grown, "the stream comes to rest", within=60, every=0.2)
