"""The stamp that a benchmark message carries: which message it is, and when it was made.  Pure.

All processes of a benchmark run on one machine and share ``CLOCK_MONOTONIC``, so a receiver subtracts the
stamp from its own clock.  The stamp has a fixed width, so that frames of equal content have equal length and
a receiver may count them by dividing.
"""

from __future__ import annotations

MARK = b"|bench:"
"""Begins a stamp; occurs nowhere else in a benchmark message."""

_SEQUENCE_DIGITS = 10
_TIME_DIGITS = 16

SEQUENCE = (len(MARK), len(MARK) + _SEQUENCE_DIGITS)
"""Where the sequence stands, counted from the start of the mark."""

TIME = (SEQUENCE[1] + 1, SEQUENCE[1] + 1 + _TIME_DIGITS)
"""Where the time (nanoseconds of ``CLOCK_MONOTONIC``) stands, counted from the start of the mark."""

WIDTH = TIME[1] + 1
"""Length of a whole stamp."""


def stamp(sequence: int, monotonic_ns: int) -> str:
    """Text that says: message number *sequence* (from 0), made at *monotonic_ns*."""
    return f"|bench:{sequence:010d}:{monotonic_ns:016d}|"


def symbol(number: int) -> str:
    """Name of the ticker *number* of a benchmark; all have one length."""
    return f"T{number:04d}"
