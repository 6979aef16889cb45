"""Says one alert and waits for the stream's word, on the speaker's loop; nothing is kept to be sent later.

A publisher would go on sending until a stream has the message. Here the caller is told that it is not stored,
so what is not confirmed in time is given up.
"""

import asyncio
import contextlib
import time
from typing import Final

from baleen_bus.acks import Stored, judge
from baleen_bus.connection import Bus
from baleen_bus.doubts import Doubt, Doubts
from baleen_bus.envelope import Envelopes
from baleen_bus.errors import DropReason, PublishRefused, Unreachable
from baleen_bus.plain_alert import same_words
from baleen_bus.speaker import Speaker
from baleen_bus.streams import remembered
from baleen_contracts.alert import Alert

WITHIN: Final = 2.0
"""Seconds in which a connected bus has to confirm an alert."""
_PAUSE: Final = 0.05  # seconds before a stream that is not ready, as after a start, is asked again
_HEADROOM: Final = 1_024  # bytes of headers, subtracted generously

REPEAT_WITHIN: Final = 60.0
"""Seconds after an unconfirmed attempt within which the same words are that attempt, said again."""

_doubts = Doubts(repeat_within=REPEAT_WITHIN, lasting=remembered()["ALERT"])


async def say(speaker: Speaker, alert: Alert, patience: float) -> Stored:
    """Says it once, after waiting at most ``patience`` seconds for the first connection.

    Raises:
        Unreachable: not known to be stored.
        AccessRefused: this user may not say alerts.
        PublishRefused: it can never be stored.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience):
            await speaker.tried.wait()
    bus = speaker.bus
    if bus is None:
        raise Unreachable(speaker.trouble)
    words, now = same_words(alert), time.monotonic()
    doubt = _doubts.take(words, now) or Doubt(alert.identity, now, now)
    try:
        return await _confirmed(bus, speaker, alert.model_copy(update={"id": doubt.id}))
    except BaseException:  # a cancellation too: it may be on its way
        _doubts.keep(words, doubt._replace(last=time.monotonic()))
        raise


async def _confirmed(bus: Bus, speaker: Speaker, alert: Alert) -> Stored:
    subject, headers, body = Envelopes(speaker.source).letter(alert)
    if len(body) > bus.nc.max_payload - _HEADROOM:
        raise PublishRefused(DropReason.TOO_BIG, f"{len(body)} bytes")
    try:
        async with asyncio.timeout(WITHIN):
            while True:
                stored = await _asked(bus, subject, headers, body)
                if stored is not None:
                    return stored
                await asyncio.sleep(_PAUSE)
    except TimeoutError:
        speaker.doubt(bus)
        raise Unreachable(f"not confirmed within {WITHIN} s") from None


async def _asked(bus: Bus, subject: str, headers: dict[str, str], body: bytes) -> Stored | None:
    """The stream's word; None if it is not ready. A question is asked once, and dies with its connection."""
    try:
        reply = await bus.request(subject, body, headers=headers, within=WITHIN)
    except Unreachable:
        if not bus.connected:
            raise
        return None
    answer = judge(reply.data, None)
    if isinstance(answer, Stored):
        return answer
    if answer.drop is not None:
        raise PublishRefused(answer.drop, answer.detail)
    return None
