"""Recordings on disk, and playing them on request while a client listens."""

from __future__ import annotations

import gzip
import time
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from uw_simulator.recordings import recording
from uw_simulator.testing import Simulator


def line(at: float, n: int) -> bytes:
    """Return a recorded headline."""
    frame = orjson.dumps(["news", {"id": str(n), "headline": f"h{n}"}]).decode()
    return orjson.dumps({"at": at, "frame": frame}, option=orjson.OPT_APPEND_NEWLINE)


def write(path: Path, lines: list[bytes], *, torn: int = 0) -> Path:
    """Write a recording, without its last *torn* bytes."""
    packed = gzip.compress(b"".join(lines)) if ".gz" in path.name else b"".join(lines)
    path.write_bytes(packed[: len(packed) - torn])
    return path


def times(path: Path) -> list[float]:
    """Return when each frame arrived."""
    return [at for at, _ in recording([path])()]


def test_plain_gzipped_and_folders_of_both(tmp_path: Path):
    """A folder is its files in the order of their names; unfinished ones count."""
    write(tmp_path / "b.jsonl", [line(2, 2)])
    write(tmp_path / "a.jsonl.gz", [line(1, 1)])
    write(tmp_path / "c.jsonl.gz.part", [line(3, 3)])
    (tmp_path / ".lock").write_text("")

    assert times(tmp_path) == [1, 2, 3]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_a_torn_file_is_played_up_to_its_end(tmp_path: Path, name: str):
    """Wherever its writer was killed."""
    lines = [line(n, n) for n in range(200)]
    whole = write(tmp_path / name, lines).stat().st_size
    for torn in range(0, whole, max(1, whole // 40)):
        found = times(write(tmp_path / name, lines, torn=torn))
        assert found == list(range(len(found)))
    assert times(write(tmp_path / name, lines, torn=9))[:100] == list(range(100))


def test_what_is_no_recording_is_named(tmp_path: Path):
    """The file and the line, before anything is played."""
    bad = write(tmp_path / "bad.jsonl", [b"<html>\n", b"\n"])
    empty = tmp_path / "empty"
    empty.mkdir()
    for path, words in ((bad, "bad.jsonl: line 1"), (tmp_path / "no", "there is no"), (empty, "holds no")):
        with pytest.raises(ValueError, match=words):
            recording([path])


@pytest.mark.parametrize("speed", [1, 10, 100])
async def test_a_recording_is_played_on_request_with_its_shape(connect: Any, tmp_path: Path, speed: int):
    """Instead of the market, from its first frame, with the distances between frames divided by the speed."""
    gaps = [0.0, 0.1, 0.1, 0.5, 0.0, 0.3]
    arrivals = [1_000.0 + speed * sum(gaps[: n + 1]) for n in range(len(gaps))]
    file = write(tmp_path / "a.jsonl.gz", [line(at, n) for n, at in enumerate(arrivals)])
    async with Simulator.in_process(source="synthetic") as simulator, connect(simulator) as client:
        await simulator.control.replay(file, speed=speed)
        assert (await simulator.control.replaying())["state"] == "waiting"
        await client.join("news", "market_tide")
        heard = []
        for _ in gaps:
            channel, payload = await client.read()
            heard.append((time.monotonic(), channel, payload["headline"]))
        assert [(channel, headline) for _, channel, headline in heard] == [
            ("news", f"h{n}") for n in range(len(gaps))
        ]
        assert heard[-1][0] - heard[0][0] == pytest.approx(1.0, abs=0.4)
        while (await client.read())[0] != "market_tide":  # the market goes on once it is over
            pass
        assert await simulator.control.replaying() == {"state": "done", "played": 6, "speed": speed}


async def test_a_replay_can_be_stopped_and_a_bad_one_is_refused(
    simulator: Simulator, connect: Any, tmp_path: Path
):
    """With words; what played before goes on playing."""
    file = write(tmp_path / "a.jsonl", [line(1, 1), line(1_000, 2)])
    async with connect(simulator) as client:
        await client.join("news")
        await simulator.control.replay(file, wait=False)
        assert (await client.read())[1]["headline"] == "h1"
        async with httpx.AsyncClient(base_url=simulator.http_url) as http:
            refused = await http.post("/_sim/replay", json={"files": [str(tmp_path / "no")]})
        assert (refused.status_code, "there is no recording" in refused.text) == (422, True)
        assert (await simulator.control.replaying())["state"] == "playing"
        await simulator.control.stop_replay()
        assert (await simulator.control.replaying())["state"] == "done"


async def test_source_recorded_waits_for_a_listener(connect: Any, tmp_path: Path):
    """Nothing of it is lost on nobody; by default it begins anew after its end."""
    file = write(tmp_path / "a.jsonl", [line(1, 1), line(1.05, 2)])
    async with (
        Simulator.in_process(source="recorded", recording=file) as simulator,
        connect(simulator) as client,
    ):
        await client.join("news")
        assert [(await client.read())[1]["headline"] for _ in range(4)] == ["h1", "h2", "h1", "h2"]
