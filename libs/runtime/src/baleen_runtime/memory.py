"""Gives memory that nothing holds any more back to the system.

The C library keeps what was freed below something that is still held. After a backlog that is most of what
the backlog took, so that a process would seem to grow with the highest one it ever had.
"""

import ctypes
from collections.abc import Callable

_NOT_BELOW = 0  # bytes kept at the top of the heap


def give_back() -> None:
    """Return free pages to the system: some ten milliseconds after a backlog of 50 MB, else far less.

    Where the C library knows no such call, nothing happens.
    """
    _trim(_NOT_BELOW)


def _trimmer() -> Callable[[int], object]:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):
        return lambda _bytes: 0


_trim = _trimmer()
