"""Captured and recorded frames played again, and the synthetic market as a source."""

# ruff: noqa: S311 - a seeded market needs chance that repeats, not secrets

from __future__ import annotations

import time
from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uw_simulator.book import Book
from uw_simulator.market.market import Market
from uw_simulator.replay import Recorded, Samples, read_frame, read_recording
from uw_simulator.samples import moment_ms, restamp, socket_frames
from uw_simulator.synthetic import Synthetic, Tempo

NOW = 1_795_000_000.0


class Ear:
    """A sink that wants everything, or only some channels, and keeps what it hears."""

    def __init__(self, *channels: str) -> None:
        self.channels = channels
        self.heard: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.tickers: Counter[tuple[str, str | None]] = Counter()

    def emit(self, channel: str, ticker: str | None, payload: bytes) -> None:
        """Keep a record."""
        self.heard[channel].append(orjson.loads(payload))
        self.tickers[channel, ticker] += 1

    def wants(self, channel: str, _ticker: str | None = None) -> bool:
        """Want the given channels, or all."""
        return not self.channels or channel in self.channels


def fresh(loop: int, old: str) -> str:
    """Make a new identity that tells where it came from."""
    return f"{loop}/{old}"


def synthetic(**tempo: Any) -> Synthetic:
    """Return a source with a market that is always open."""

    def make(today: date) -> Market:
        return Market(chance=Random(1), today=today, id_prefix="00000000-0000-4000-8000-")

    return Synthetic(make, Tempo(**tempo), Book(), NOW, lambda _now: True)


def test_every_captured_frame_is_played_and_happens_now():
    """Each file goes round; moments are the present, identities are new in each round."""
    captured = socket_frames()
    ear, longest = Ear(), max(map(len, captured.values()))
    source = Samples(captured, 1, fresh)
    for n in range(2 * longest):
        source.step(NOW + n, ear)

    assert ear.heard.keys() == {
        joined.partition(":")[0] for frames in captured.values() for joined, _ in frames
    }
    identities = [alert["id"] for alert in ear.heard["flow-alerts"]]
    assert len(set(identities)) == len(identities) == 2 * longest
    for payload in ear.heard["option_trades"]:
        assert abs(payload["executed_at"] / 1000 - NOW) <= 2 * longest


def test_an_alert_still_refers_to_the_same_trades_after_a_round():
    """Old identities become new ones by one rule, wherever they stand."""
    alert = {"id": "a", "trade_ids": ["b", "c"], "executed_at": 1}

    assert restamp(alert, now_ms=5, fresh=lambda old: old * 2)["trade_ids"] == ["bb", "cc"]


@given(st.integers(0, 2**41), st.sampled_from(sorted(socket_frames())))
def test_restamping_moves_all_times_alike_and_touches_nothing_else(now_ms: int, name: str):
    """Distances between a record's times stay, the time is now, everything else is as captured."""
    for _, payload in socket_frames()[name]:
        moved = restamp(payload, now_ms=now_ms, fresh=lambda old: old)
        before, after = moment_ms(payload), moment_ms(moved)
        if before is not None and after is not None:
            assert 0 <= now_ms - after < 1000
            for key in ("start_time", "end_time", "created_at"):
                if isinstance(payload.get(key), int):
                    assert moved[key] - after == payload[key] - before
        untouched = {key for key, value in payload.items() if moved[key] == value}
        assert payload.keys() - untouched <= {
            "executed_at", "created_at", "timestamp", "time", "tape_time", "start_time", "end_time",
            "trf_executed_at", "date",
        }  # fmt: skip


def test_verbatim_leaves_frames_as_they_were():
    """Old times, old identities."""
    captured = {"price": socket_frames()["price"]}
    ear = Ear()
    Samples(captured, 1, fresh, verbatim=True).step(NOW, ear)

    assert ear.heard["price"] == [captured["price"][0][1]]


def test_a_recording_is_played_at_its_speed_and_again():
    """Ten seconds at ten times the speed take one; then it begins anew with other identities."""
    frames = [
        (100.0 + n, orjson.dumps(["news", {"id": str(n), "timestamp": "2026-01-01T00:00:00Z"}]).decode())
        for n in range(11)
    ]
    ear = Ear()
    source = Recorded(lambda: iter(frames), 10, fresh)
    heard = []
    for n in range(15):
        source.step(NOW + n * 0.1001, ear)
        heard.append(len(ear.heard["news"]))

    assert heard[:11] == list(range(1, 12))
    assert [item["id"] for item in ear.heard["news"]][10:13] == ["0/10", "1/0", "1/1"]


def test_a_recording_is_read_line_by_line_and_a_bad_line_is_named():
    """Times are ISO or epoch seconds; acks and noise in it are not played."""
    lines = [b'{"at":"2026-01-01T00:00:00Z","frame":"[\\"price\\",{}]"}\n', b"\n", b'{"at":5,"frame":"x"}']

    assert list(read_recording(lines)) == [(1_767_225_600.0, '["price",{}]'), (5.0, "x")]
    with pytest.raises(ValueError, match="line 1 of the recording"):
        list(read_recording([b'{"frame":"x"}\n']))
    assert read_frame('["price",{"response":{},"status":"ok"}]') is None
    assert read_frame("x") is read_frame("[1,2]") is None


def test_marks_of_what_is_missing_are_no_frames_and_a_torn_end_is_the_end():
    """A recorder that was killed leaves half a line; what it lost before, it said."""
    lines = [
        b'{"at":1,"frame":"x"}\n', b'{"at":2,"dropped":7}\n', b'{"at":3,"hole":1.5}\n',
        b'{"at":4,"frame":"y"}\n', b'{"at":5,"fra',
    ]  # fmt: skip

    assert list(read_recording(lines)) == [(1.0, "x"), (4.0, "y")]


def test_a_recording_begins_when_it_may_and_ends_when_it_is_to():
    """Its clock starts then, so that nothing is skipped; played once, it is done and silent."""
    frames = [(100.0 + n, f'["news",{{"id":"{n}"}}]') for n in range(3)]
    ear = Ear()
    source = Recorded(lambda: iter(frames), 1, fresh, once=True, ready=lambda now: now >= NOW + 5)
    for n in range(12):
        assert source.waiting == (n <= 5)
        source.step(NOW + n, ear)

    assert [row["id"] for row in ear.heard["news"]] == ["0/0", "0/1", "0/2"]
    assert (source.done, source.played) == (True, 3)


def test_verbatim_is_byte_by_byte():
    """Spellings of numbers and spaces stay as they were recorded."""
    said: list[tuple[str, str | None, bytes]] = []
    ear = Ear()
    ear.emit = lambda *record: said.append(record)  # type: ignore[method-assign]
    text = '["price:SPY", {"close": "1.50", "vol": 1e3, "ticker":"SPY"} ]'
    Recorded(lambda: iter([(1.0, text)]), 1, fresh, verbatim=True).step(NOW, ear)

    assert said == [("price", "SPY", b' {"close": "1.50", "vol": 1e3, "ticker":"SPY"} ')]


def test_the_default_mix_keeps_every_widget_busy():
    """At least two a second of what the screens show, fifty option trades, without anything being twice."""
    source, ear, seconds = synthetic(), Ear(), 10
    for n in range(seconds * 100):
        source.step(NOW + n / 100, ear)

    assert len(ear.heard["option_trades"]) >= 50 * seconds
    assert len(ear.heard["flow-alerts"]) >= 2 * seconds
    for channel in ("lit_trades", "off_lit_trades"):
        assert sum(payload["symbol"] == "SPY" for payload in ear.heard[channel]) >= 2 * seconds
    for key in (("price", "SPY"), ("gex", "SPY"), ("gex", "TSLA"), ("gex_strike_expiry", "SPY")):
        assert ear.tickers[key] >= 2 * seconds, key
    keys = [(row["ticker"], row["timestamp"]) for row in ear.heard["gex"]]
    assert len(set(keys)) == len(keys)
    assert len(source._book.congress) >= seconds / 5


def test_what_nobody_wants_is_not_made():
    """Except the option tape, from which flows are summed."""
    source, ear = synthetic(), Ear("news")
    for n in range(1_000):
        source.step(NOW + n / 100, ear)

    assert not ear.heard.keys() & {
        "price",
        "gex",
        "gex_strike",
        "gex_strike_expiry",
        "net_flow",
        "interval_flow",
    }
    assert source.market.tide.totals() != [0, 0, 0, 0]


def test_when_the_exchange_is_closed_only_news_and_halts_go_on():
    """Nights are silent, and silence is not a fault; prices go on in extended hours."""
    night = datetime(2026, 11, 18, 8, 30, tzinfo=UTC).timestamp()  # 03:30 in New York, a Wednesday
    source = synthetic()
    source._open_at = lambda _now: False
    ear, evening = Ear(), Ear()
    for n in range(300):
        source.step(night + n / 10, ear)

    for n in range(300):
        source.step(night + 3_600 + n / 10, evening)

    assert ear.heard.keys() == {"news", "trading_halts"}
    assert evening.heard.keys() == {"news", "trading_halts", "price"}


def test_gex_speaks_in_whole_seconds_at_upstreams_own_pace():
    """At ten seconds a ticker timestamps are whole; only a faster pace needs milliseconds."""
    source, ear = synthetic(gex=10), Ear("gex")
    for n in range(200):
        source.step(NOW + n / 10, ear)

    assert all(row["timestamp"] % 1000 == 0 for row in ear.heard["gex"])
    assert ear.tickers["gex", "SPY"] in (2, 3)


@pytest.mark.slow
def test_a_whole_day_can_pass_in_a_minute():
    """At speed 390 the open is busier than lunch."""
    source = synthetic(
        option_trades=5, flow_alerts=0, lit_trades=0, off_lit_trades=0, speed=390, whole_day=True
    )
    counts = []
    for second in range(60):
        ear = Ear("option_trades")
        for n in range(20):
            source.step(NOW + second + n / 20, ear)
        counts.append(len(ear.heard["option_trades"]))

    assert sum(counts) == pytest.approx(60 * 5 * 390, rel=0.15)
    assert counts[0] > 3 * counts[30]


def test_a_new_day_opens_a_new_market():
    """Contracts that expired are gone after midnight in New York."""
    source, ear = synthetic(), Ear()
    first = source.market
    source.step(NOW + 86_400, ear)

    assert source.market is not first
    assert time.gmtime(NOW).tm_mday == first.today.day
