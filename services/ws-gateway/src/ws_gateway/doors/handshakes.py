"""How often clients may come: a token bucket for all and one for each address. Pure; time is handed in.

Who comes too early is told when to come again, each a little later than the one before, so that they do not
all come at once a second time.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MAX_ADDRESSES: Final = 10_000
"""Addresses that are remembered; the one that came least lately is forgotten first."""
LONGEST_WAIT: Final = 30
"""Seconds; a queue that is longer comes in together, and is spread again."""
SECONDS_AT_ONCE: Final = 2.0
"""What may come at once, in seconds' worth of the rate."""


class Bucket:
    """So many at once, and so many a second in the long run."""

    __slots__ = ("_burst", "_left", "_rate", "_since")

    def __init__(self, rate: float, now: float) -> None:
        """Begin full at *now*.

        Args:
            rate: how many a second.
            now: seconds that never run backwards.
        """
        self._rate = rate
        self._burst = self._left = max(1.0, rate * SECONDS_AT_ONCE)
        self._since = now

    def ready(self, now: float) -> bool:
        """Return whether one more may come at *now*."""
        self._left = min(self._burst, self._left + (now - self._since) * self._rate)
        self._since = now
        return self._left >= 1

    def spend(self) -> None:
        """One more came."""
        self._left -= 1


class Handshakes:
    """Lets clients in at a pace."""

    def __init__(
        self, *, rate: float, rate_per_address: float, now: float, chance: Callable[[], float]
    ) -> None:
        """Begin at *now*.

        Args:
            rate: how many a second all together may come; 0 for any number.
            rate_per_address: how many of one address; 0 for any number.
            now: seconds that never run backwards.
            chance: returns a number from 0 to 1, to spread those who come again.
        """
        self._rate, self._rate_per_address = rate, rate_per_address
        self._chance = chance
        self._all = Bucket(rate, now) if rate else None
        self._by_address: OrderedDict[str, Bucket] = OrderedDict()
        self._promised = now
        self.refused = 0

    def wait(self, address: str | None, now: float) -> int | None:
        """Count one who comes from *address* at *now*.

        Args:
            address: None for one who is limited by the rate of all alone.
            now: seconds that never run backwards.

        Returns:
            None where it may come in, else after how many seconds it should come again.
        """
        own = self._bucket(address, now)
        if own is not None and not own.ready(now):
            return self._refuse(1.0 / self._rate_per_address)
        if self._all is not None and not self._all.ready(now):
            self._promised = min(max(self._promised, now) + 1.0 / self._rate, now + LONGEST_WAIT)
            return self._refuse(self._promised - now)
        for bucket in (own, self._all):
            if bucket is not None:
                bucket.spend()
        return None

    def _bucket(self, address: str | None, now: float) -> Bucket | None:
        if address is None or not self._rate_per_address:
            return None
        bucket = self._by_address.get(address)
        if bucket is None:
            bucket = self._by_address[address] = Bucket(self._rate_per_address, now)
            if len(self._by_address) > MAX_ADDRESSES:
                self._by_address.popitem(last=False)
        self._by_address.move_to_end(address)
        return bucket

    def _refuse(self, wait: float) -> int:
        self.refused += 1
        return min(LONGEST_WAIT, max(1, math.ceil(wait + self._chance())))
