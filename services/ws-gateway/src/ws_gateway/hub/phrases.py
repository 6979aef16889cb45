"""How messages are said: each once per dialect, as a ready frame that all who speak it share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import structlog

from baleen_contracts.catalogue import CATALOGUE, Delivery
from ws_gateway.dialects import Dialect
from ws_gateway.errors import Dropped
from ws_gateway.event import Event
from ws_gateway.wire.frames import text_frame
from ws_gateway.wire.parcel import Parcel

log = structlog.get_logger(__name__)

_LATEST: Final = frozenset(entity.name for entity in CATALOGUE if entity.delivery is Delivery.LATEST)


class Phrases:
    """Makes frames, and counts what cannot be said.

    Attributes:
        encoded: how many frames were made.
    """

    def __init__(self, now: Callable[[], float], dropped: Counter[Dropped]) -> None:
        """Stamp frames by the clock *now*, in seconds, and count in *dropped*."""
        self._now = now
        self._dropped = dropped
        self.encoded = 0

    def frame(self, dialect: Dialect, event: Event) -> Parcel | None:
        """Return the ready frame of *event* in *dialect*, made once; None where there is nothing to show."""
        frames: dict[str, Any] = event.frames
        name = dialect.name
        if name in frames:
            known: Parcel | None = frames[name]
            return known
        try:
            text = dialect.encode(event)
        except Exception as error:  # noqa: BLE001 - whatever one dialect stumbles over, the others say it
            self._unsayable(dialect, event, error)
            text = None
        self.encoded += 1
        parcel = None
        if text is not None:
            parcel = Parcel.of(event, framed(dialect, text), self._now(), latest=event.entity in _LATEST)
        frames[name] = parcel
        return parcel

    def _unsayable(self, dialect: Dialect, event: Event, error: Exception) -> None:
        """Count a message that a dialect cannot say; a flood of them makes ever fewer log lines."""
        self._dropped[Dropped.UNSAYABLE] += 1
        count = self._dropped[Dropped.UNSAYABLE]
        if count & (count - 1) == 0:
            said = {"dialect": dialect.name, "subject": event.subject, "reason": repr(error)}
            log.warning("message cannot be said", count=count, **said)

    def conflated(self, dialect: Dialect, subject: str, count: int) -> bytes:
        """Return the frame that says how many messages of *subject* were passed over for a newer one."""
        say = getattr(dialect, "conflated", None)  # the seeds' dialects have no word for it
        said: bytes | None = say(subject, count) if say is not None else None
        return framed(dialect, said) if said else b""


def framed(dialect: Dialect, text: bytes) -> bytes:
    """Return what is written to say *text*: a WebSocket frame, unless the dialect is spoken elsewhere."""
    wrap: Callable[[bytes], bytes] = getattr(dialect, "wrap", text_frame)
    return wrap(text)
