"""Recordings on disk: JSON lines, perhaps gzipped; one file, or a folder in the order of its names."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from uw_simulator.replay import Arrival, read_recording

_GZIP = b"\x1f\x8b"


def recording(paths: Sequence[Path]) -> Callable[[], Iterator[Arrival]]:
    """Return what begins the recording in *paths*; it is read as it is played, so it may be of any size.

    Raises:
        ValueError: a path is neither a file nor a folder with files, or its beginning is no recording.
    """
    files = [file for path in paths for file in _files(path)]
    if not files:
        raise ValueError("a recording is at least one file of JSON lines {at, frame}")
    for file in files:
        next(_frames_of(file), None)
    return lambda: (arrival for file in files for arrival in _frames_of(file))


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if ".jsonl" in file.name)
        if not found:
            raise ValueError(f"{path} holds no recording (*.jsonl, *.jsonl.gz, perhaps .part)")
        return found
    if not path.is_file():
        raise ValueError(f"there is no recording {path}")
    return [path]


def _frames_of(file: Path) -> Iterator[Arrival]:
    with file.open("rb") as raw:
        packed = raw.peek(2)[:2] == _GZIP
        lines = cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if packed else raw
        try:
            yield from read_recording(_as_far_as_it_goes(lines))
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from None


def _as_far_as_it_goes(lines: BinaryIO) -> Iterator[bytes]:
    """Yield lines up to where a file ends, also one whose writer was killed."""
    while True:
        try:
            line = lines.readline()
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return
        if not line:
            return
        yield line
