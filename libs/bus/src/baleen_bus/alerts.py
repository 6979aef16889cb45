"""Says alerts of trading code on the bus: never raises, never waits long, and tells whether each is stored.

The answer is about one attempt. ``True``: the stream has the alert. ``False``: it is not known to have it,
and nobody sends it any more; only what was on its way when the time ran out may still arrive. Saying the same
again after ``False`` does not double it: see ``baleen_bus.doubts``.

The connection is that of ``baleen_bus.publish``: one for the process, on a thread of its own, told where to
go by ``BALEEN_NATS_URL``, ``BALEEN_NATS_USER`` and ``BALEEN_NATS_PASSWORD``.
"""

import asyncio
import concurrent.futures
import contextlib
import logging
import os
import time
import uuid
from datetime import UTC, datetime
from typing import Final

from baleen_bus import saying
from baleen_bus.acks import Stored
from baleen_bus.errors import BusError, Unreachable
from baleen_bus.one_call import default_speaker
from baleen_bus.plain_alert import GENERAL, MONITOR, NoAlert, alert_of
from baleen_bus.speaker import Speaker

log = logging.getLogger("baleen_bus")

CONNECT_WITHIN: Final = 1.0
"""Seconds, from the first alert on, in which alerts wait for the first connection to be made.

``BALEEN_ALERTS_CONNECT_WITHIN`` overrules it. An attempt to connect that fails ends the wait at once.
"""
AGAIN_AFTER: Final = 5.0
"""Seconds until a wrong password or address is tried again."""
QUIET_FOR: Final = 60.0
"""Seconds between two log lines about the same trouble."""
_LONGEST_CONNECT: Final = 60.0
_SLACK: Final = 0.5


async def publish_alert(
    embed: object,
    content: object = None,
    alert_type: object = GENERAL,
    source: object = MONITOR,
    symbol: object = None,
) -> bool:
    """Puts one alert on the bus and returns whether it is stored there.

    ``embed`` is a Discord embed: a dict, an embed of discord.py and its kin or of discord-webhook, or a list
    of them. Works under any event loop; one that is not asyncio's is held up meanwhile.

    Never raises, but lets a cancellation through. Returns at once while the bus is away, else within
    ``baleen_bus.saying.WITHIN`` seconds, and ``CONNECT_WITHIN`` more for the first connection.
    """
    try:
        said = _begin(embed, content, alert_type, source, symbol)
        if _under_asyncio():
            async with asyncio.timeout(_longest()):
                await asyncio.wrap_future(said)
        else:
            _wait(said)
    except Exception as error:  # noqa: BLE001 - that nothing is raised is the promise
        _notes.say(error)
        return False
    return True


def publish_alert_sync(
    embed: object,
    content: object = None,
    alert_type: object = GENERAL,
    source: object = MONITOR,
    symbol: object = None,
) -> bool:
    """The same for code without an event loop; from any thread, and any number of them at once.

    Inside a running loop it works too, and holds that loop up.
    """
    try:
        _wait(_begin(embed, content, alert_type, source, symbol))
    except Exception as error:  # noqa: BLE001 - that nothing is raised is the promise
        _notes.say(error)
        return False
    return True


def _begin(
    embed: object, content: object, alert_type: object, source: object, symbol: object
) -> concurrent.futures.Future[Stored]:
    """Has the speaker say it.

    Raises:
        Unreachable: the bus is away; nothing was sent.
        NoAlert: it can never be stored.
    """
    speaker = default_speaker(again_after=AGAIN_AFTER)
    if speaker.is_current_thread:  # as from a handler of the log: the bus would wait for itself
        raise Unreachable("said on the bus's own thread")
    if not speaker.answers and _patience(speaker) <= 0:
        raise Unreachable(speaker.trouble)
    alert = alert_of(embed, content, alert_type, source, symbol, id=uuid.uuid4().hex, now=datetime.now(UTC))
    return speaker.run(saying.say(speaker, alert, _patience(speaker)))


def _patience(speaker: Speaker) -> float:
    """Seconds for which alerts still wait for the first connection."""
    if speaker.tried.is_set():
        return 0.0
    return max(0.0, speaker.began_at + _connect_within() - time.monotonic())


def _wait(said: concurrent.futures.Future[Stored]) -> None:
    try:
        said.result(_longest())
    finally:
        said.cancel()  # given up, should it still be on its way


def _under_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _longest() -> float:
    return saying.WITHIN + _connect_within() + _SLACK


def _connect_within() -> float:
    try:
        seconds = float(os.environ.get("BALEEN_ALERTS_CONNECT_WITHIN", CONNECT_WITHIN))
    except ValueError:
        return CONNECT_WITHIN
    return seconds if 0 <= seconds <= _LONGEST_CONNECT else CONNECT_WITHIN


class _Notes:
    """Tells the log of each kind of trouble at most once a minute, and how many alerts it cost since."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}
        self._untold: dict[str, int] = {}

    def say(self, error: Exception) -> None:
        kind = type(error).__name__
        count = self._untold[kind] = self._untold.get(kind, 0) + 1
        now = time.monotonic()
        if now - self._told.get(kind, -QUIET_FOR) < QUIET_FOR:
            return
        self._told[kind] = now  # first: a handler of the log may itself say an alert
        self._untold[kind] = 0
        words = str(error) if isinstance(error, BusError | NoAlert) else kind
        with contextlib.suppress(Exception):  # nor does a handler of the log
            log.warning("alerts are not stored, %d since this was last told: %s", count, words)


_notes = _Notes()
