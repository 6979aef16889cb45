"""Says one message with one call, from async code or from any thread, over a connection that makes itself.

The connection lives on a thread of its own and is shared by every caller of the process. It is told where
to go by ``BALEEN_NATS_URL``, ``BALEEN_NATS_USER`` and ``BALEEN_NATS_PASSWORD``.
"""

import asyncio
import atexit
import os
import threading
import time
from typing import ClassVar, Final

from baleen_bus.acks import Stored
from baleen_bus.speaker import LEAVE_WITHIN, Speaker
from baleen_contracts.message import Message

WITHIN: Final = 5.0


async def publish(message: Message, *, source: str | None = None, within: float = WITHIN) -> Stored:
    """Publishes one contract message and waits, at most ``within`` seconds, until it is stored.

    ``source`` becomes ``ce-source``; by default the NATS user's name, else ``baleen-bus``. Offering the
    same message again is harmless: its identity is known, and the stream keeps it once.

    Raises:
        Unreachable: not known to be stored in time; it is still sent should the bus come back meanwhile.
        AccessRefused: wrong user or password.
        OutboxFull, PublishRefused: as ``Publisher.offer``.
        BusStopped: the connection was closed, or the address is none.
    """
    return await asyncio.wrap_future(default_speaker().submit(message, source, within))


def publish_sync(message: Message, *, source: str | None = None, within: float = WITHIN) -> Stored:
    """The same for code without an event loop; any number of threads may call it at once."""
    return default_speaker().submit(message, source, within).result(within + 1.0)


def close_default(within: float = LEAVE_WITHIN) -> None:
    """Sends what waits, for at most ``within`` seconds, and disconnects; the next call connects anew."""
    with _Speakers.lock:
        speaker = _Speakers.default
        _Speakers.default = None
    if speaker is not None:
        speaker.close(within)


class _Speakers:
    default: Speaker | None = None
    inherited: ClassVar[list[Speaker]] = []
    lock: ClassVar[threading.Lock] = threading.Lock()


def default_speaker(*, again_after: float = 0.0) -> Speaker:
    """The process's speaker. One that was shut out is replaced ``again_after`` seconds later."""
    with _Speakers.lock:
        speaker = _Speakers.default
        if speaker is None or _is_over(speaker, again_after):
            speaker = _Speakers.default = Speaker(os.environ)
        return speaker


def _is_over(speaker: Speaker, again_after: float) -> bool:
    return speaker.failed_at is not None and time.monotonic() - speaker.failed_at >= again_after


def _begin_anew_after_fork() -> None:
    """A forked child has no thread of its parent's, and shares its sockets: it makes a speaker of its own.

    The parent's is kept, untouched: a loop that is collected closes what it watches, for the parent too.
    """
    if _Speakers.default is not None:
        _Speakers.inherited.append(_Speakers.default)
    _Speakers.default = None
    _Speakers.lock = threading.Lock()  # another thread may have held it


atexit.register(close_default)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew_after_fork)
