"""Files of recorded frames: when they end, how many stay, what a crash leaves."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from baleen.errors import CannotRun
from baleen.recorder import Recorder, recorder_folder, recordings_in
from uw_simulator.recordings import recording


class Clock:
    """A time that tests move."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 20, 15, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the time, a little later each time it is asked for."""
        self.at += timedelta(milliseconds=1)
        return self.at


def recorder(folder: Path, clock: Clock, **changes: Any) -> Recorder:
    """Return a recorder that rotates only if a test makes it."""
    options = {"rotate_bytes": 1e9, "rotate_seconds": 1e9, "keep": 0, **changes}
    return Recorder(folder, now=clock, **options)


def line(n: int) -> bytes:
    """Return a recorded frame."""
    return b'{"at":%d,"frame":"[%d]"}\n' % (n, n)


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path):
    """Until then it is a part, which can be read all the same."""
    writer = recorder(tmp_path, Clock())
    writer.write(line(1))
    writer.tick()
    (part,) = tmp_path.iterdir()
    assert part.name.endswith(".jsonl.gz.part")
    assert [at for at, _ in recording([part])()] == [1]

    writer.write(line(2))
    writer.close()
    (whole,) = recordings_in(tmp_path)
    assert gzip.decompress(whole.read_bytes()) == line(1) + line(2)
    assert whole.name == "frames-20261120T150000.002Z.jsonl.gz"
    assert (writer.files, writer.size) == (1, whole.stat().st_size)


def test_files_end_by_size_and_by_age_and_the_oldest_make_room(tmp_path: Path):
    """Names tell the order; nothing is lost between one file and the next."""
    clock = Clock()
    writer = recorder(tmp_path, clock, rotate_seconds=60)
    for n in range(4):
        writer.write(line(n))
        clock.at += timedelta(seconds=61)
        writer.tick()
    assert [at for at, _ in recording([tmp_path])()] == [0, 1, 2, 3]
    assert len(recordings_in(tmp_path)) == 4

    small = recorder(tmp_path, clock, rotate_bytes=1, keep=2)
    for n in range(4, 9):
        small.write(line(n))
    assert len(recordings_in(tmp_path)) == 2
    assert [at for at, _ in recording([tmp_path])()] == [7, 8]


def test_nothing_written_leaves_no_file(tmp_path: Path):
    """An empty file would only puzzle."""
    writer = recorder(tmp_path, Clock())
    writer.tick()
    writer.close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_crash_left_is_named_and_two_recorders_do_not_share_a_folder(tmp_path: Path):
    """The next recorder closes what one before it could not."""
    crashed = recorder(tmp_path, Clock())
    crashed.write(line(1))
    crashed.tick()  # and then nothing more happens to it
    with recorder_folder(tmp_path) as left:
        assert [file.name for file in left] == ["frames-20261120T150000.002Z.jsonl.gz"]
        assert [at for at, _ in recording([tmp_path])()] == [1]
        with pytest.raises(CannotRun, match="Another `baleen record`"), recorder_folder(tmp_path):
            pass


def test_a_folder_that_cannot_be_is_told(tmp_path: Path):
    """With what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotRun, match="Choose another --to"), recorder_folder(tmp_path / "file" / "below"):
        pass


def test_a_disk_that_takes_no_more_is_told():
    """Instead of a traceback."""
    writer = recorder(Path("/dev/null"), Clock())
    with pytest.raises(CannotRun, match="Nothing more can be written"):
        writer.write(line(1))
