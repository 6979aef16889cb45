"""Makes ids that look like Discord's: a time in milliseconds, who made it, and a count. Pure."""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b

_DISCORD_EPOCH_MS = 1_420_070_400_000  # the first second of 2015
_SHORTEST, _LONGEST = 17, 19


class Mint:
    """Gives every alert of this process an id of its own; *maker* (0 to 1023) tells processes apart."""

    def __init__(self, maker: int) -> None:
        self._maker = maker & 0x3FF
        self._count = 0

    def fresh(self, now: datetime) -> str:
        """A new id; 4,096 a millisecond before one could repeat."""
        self._count = (self._count + 1) & 0xFFF
        milliseconds = int(now.timestamp() * 1000) - _DISCORD_EPOCH_MS
        return str(milliseconds << 22 | self._maker << 12 | self._count)


def snowflake_of(alert_id: str) -> str:
    """The Discord-shaped id under which a sender knows the alert; the same for the same alert."""
    if alert_id.isascii() and alert_id.isdigit() and _SHORTEST <= len(alert_id) <= _LONGEST:
        return alert_id
    number = int.from_bytes(blake2b(alert_id.encode(), digest_size=8).digest(), "big")
    return str(10**17 + number % (9 * 10**17))
