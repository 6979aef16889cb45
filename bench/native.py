"""Who reads the sockets that are ready: native code where the machine has a C compiler, else the caller.

``rows.c`` reads and counts what is as expected, which is nearly everything.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.counting import BUFFER_BYTES, Counter, Tally
from bench.stamp import SEQUENCE, TIME

_SOURCE = Path(__file__).with_name("rows.c")
_MOST = 8192
_DESCRIPTORS = 1 << 17
_TIMES = 1 << 16
_UNREAD = 1
_LONGEST_WAIT = 0.2


class PythonReader:
    """Only tells which sockets are ready; the caller reads them all."""

    name = "python"

    def __init__(self, epoll: select.epoll) -> None:
        self._epoll = epoll
        self.ready = 0
        """How many sockets had something at the last look."""
        self.reads = 0
        self.bytes = 0

    def unread(self, until: float) -> Iterator[tuple[int, int | None]]:
        """Wait for something, at most until *until* (CLOCK_MONOTONIC), and tell what is left to the caller.

        Yields:
            A descriptor, and how many of its bytes stand in the counter's buffer: 0 at its end, ``-errno``
            after an error, None when nothing was read from it.
        """
        found = self._epoll.poll(_wait(until), _MOST)
        self.ready = len(found)
        for descriptor, _ in found:
            yield descriptor, None

    def know(self, descriptor: int, tally: Tally | None) -> None:
        """Take note of whose a socket is and how it stands with it; None: it is closed."""


class NativeReader(PythonReader):
    """Reads and counts by ``rows.c``; the caller gets what is no row of the expected ones."""

    name = "native"

    def __init__(self, epoll: select.epoll, counter: Counter, library: ctypes.CDLL) -> None:
        super().__init__(epoll)
        self._counter = counter
        self._read_rows = library.read_rows
        self._descriptor = epoll.fileno()
        self._tallies = (ctypes.c_void_p * _DESCRIPTORS)()
        self._oldest, self._sample = (ctypes.c_int64 * _TIMES)(), (ctypes.c_int64 * _TIMES)()
        self._reading = _Reading(
            step=counter.step,
            oldest=ctypes.addressof(self._oldest),
            sample=ctypes.addressof(self._sample),
            times=_TIMES,
            tallies=ctypes.addressof(self._tallies),
            descriptors=_DESCRIPTORS,
            buffer=ctypes.addressof(ctypes.c_char.from_buffer(counter.buffer)),
            buffer_bytes=BUFFER_BYTES,
        )
        if library.size_of_reading() != ctypes.sizeof(_Reading):
            raise TypeError("rows.c and native.py do not name the same fields")

    def unread(self, until: float) -> Iterator[tuple[int, int | None]]:
        """As `PythonReader.unread`, with all that is counted here left out."""
        reading, wait = self._reading, int(_wait(until) * 1000)
        reading.until = int(until * 1e9)
        try:
            while found := self._next(wait):
                yield reading.descriptor, None if found == _UNREAD else reading.got
                if reading.next >= reading.ready:  # that was the last one
                    break
        finally:
            self._settle()

    def know(self, descriptor: int, tally: Tally | None) -> None:
        """As `PythonReader.know`: a client is read here once it waits for the next of its events."""
        expected = tally is not None and self._counter.expects(tally)
        if descriptor < _DESCRIPTORS:
            self._tallies[descriptor] = ctypes.addressof(tally) if expected else None

    def _next(self, wait: int) -> int:
        reading, row = self._reading, self._counter.row
        if row is not None:
            reading.length, mark, reading.head = row
            reading.sequence_at, reading.sequence_to = mark + SEQUENCE[0], mark + SEQUENCE[1]
            reading.time_at, reading.time_to = mark + TIME[0], mark + TIME[1]
        found: int = self._read_rows(self._descriptor, wait, ctypes.byref(reading))
        return found

    def _settle(self) -> None:
        """Take over what was counted beside the tallies."""
        reading, counter = self._reading, self._counter
        self.ready = reading.ready
        self.reads, self.bytes = self.reads + reading.reads, self.bytes + reading.bytes
        for latencies, times, count in (
            (counter.oldest, self._oldest, reading.oldest_count),
            (counter.sample, self._sample, reading.sample_count),
        ):
            for nanoseconds in times[:count]:
                latencies.add(nanoseconds)
        reading.reads = reading.bytes = reading.oldest_count = reading.sample_count = 0


class _Reading(ctypes.Structure):
    """`struct reading` of ``rows.c``, where the fields are told."""

    _fields_ = (
        ("length", ctypes.c_int64),
        ("step", ctypes.c_int64),
        ("sequence_at", ctypes.c_int64),
        ("sequence_to", ctypes.c_int64),
        ("time_at", ctypes.c_int64),
        ("time_to", ctypes.c_int64),
        ("head", ctypes.c_char * 8),
        ("reads", ctypes.c_int64),
        ("bytes", ctypes.c_int64),
        ("oldest_count", ctypes.c_int64),
        ("sample_count", ctypes.c_int64),
        ("oldest", ctypes.c_void_p),
        ("sample", ctypes.c_void_p),
        ("times", ctypes.c_int64),
        ("tallies", ctypes.c_void_p),
        ("descriptors", ctypes.c_int64),
        ("buffer", ctypes.c_void_p),
        ("buffer_bytes", ctypes.c_int64),
        ("until", ctypes.c_int64),
        ("ready", ctypes.c_int64),
        ("next", ctypes.c_int64),
        ("descriptor", ctypes.c_int64),
        ("got", ctypes.c_int64),
    )


def _wait(until: float) -> float:
    return max(0.0, min(_LONGEST_WAIT, until - time.monotonic()))


def compiler() -> str | None:
    """The C compiler of this machine: ``$CC``, else ``cc``; None when it has none."""
    return shutil.which(os.environ.get("CC", "cc"))


def build(cc: str) -> ctypes.CDLL:
    """Compile ``rows.c`` with *cc* and load it.

    Raises:
        subprocess.CalledProcessError: the compiler refuses it, and has said why.
    """
    with TemporaryDirectory(prefix="baleen-bench-") as directory:
        built = Path(directory) / "rows.so"
        subprocess.run([cc, "-O2", "-shared", "-fPIC", "-o", built, _SOURCE], check=True)
        return ctypes.CDLL(str(built))


def reader(epoll: select.epoll, counter: Counter) -> PythonReader:
    """The quickest reader that this machine has for what *counter* counts."""
    cc = compiler()
    return NativeReader(epoll, counter, build(cc)) if cc and counter.reads_rows else PythonReader(epoll)
