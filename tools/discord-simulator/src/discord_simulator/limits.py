"""How often whom may speak. Pure: the time is an argument, in seconds.

Each window begins with its first request and ends whatever follows, as the headers of the real one tell it.
A request that is refused uses up nothing, except of the limit by address, which counts whatever it let in.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b

_FIRST_IN_SECONDS = 8
"""The version of the API that tells times in seconds; earlier ones, and none, tell milliseconds."""
_MAX_TRACKED = 10_000


class Scope(StrEnum):
    """Whose limit was reached."""

    USER = "user"
    """The webhook's own, which the headers tell."""
    SHARED = "shared"
    """The channel's, which no header tells beforehand."""
    GLOBAL = "global"
    """The address's."""


@dataclass(slots=True)
class Figures:
    """What is allowed. Changeable while running."""

    webhook_limit: int = 5
    webhook_window: float = 2.0
    channel_limit: int = 30
    channel_window: float = 60.0
    global_limit: int = 50
    global_window: float = 1.0


@dataclass(slots=True)
class Window:
    """A window that begins with its first request."""

    used: int = 0
    ends: float = 0.0

    def left(self, limit: int, now: float) -> int:
        """How many more it takes."""
        return limit if now >= self.ends else max(0, limit - self.used)

    def use(self, seconds: float, now: float) -> None:
        """Count one request."""
        if now >= self.ends:
            self.used, self.ends = 0, now + seconds
        self.used += 1

    def resets_in(self, seconds: float, now: float) -> float:
        """Seconds until it is empty again; those of a whole window if it has not begun."""
        return self.ends - now if now < self.ends else seconds


@dataclass(frozen=True, slots=True)
class Refusal:
    """One request too many. ``after``: seconds until it would pass."""

    scope: Scope
    after: float


@dataclass(slots=True)
class Limits:
    """Every window there is, made when it is first needed."""

    figures: Figures
    _webhooks: dict[str, Window] = field(default_factory=dict)
    _channels: dict[str, Window] = field(default_factory=dict)
    _addresses: dict[str, Window] = field(default_factory=dict)

    def enter(self, address: str, now: float) -> Refusal | None:
        """Count a request of *address*, or say that it had too many within a second."""
        figures, window = self.figures, _window(self._addresses, address)
        if not window.left(figures.global_limit, now):
            return Refusal(Scope.GLOBAL, window.resets_in(figures.global_window, now))
        window.use(figures.global_window, now)
        return None

    def speak(self, bucket: str, channel: str | None, now: float) -> Refusal | None:
        """Count a request of *bucket*, which says something in *channel* unless that is None.

        The bucket is asked first: who exceeds it does not use up the channel.
        """
        figures, own = self.figures, _window(self._webhooks, bucket)
        if not own.left(figures.webhook_limit, now):
            return Refusal(Scope.USER, own.resets_in(figures.webhook_window, now))
        if channel is not None:
            shared = _window(self._channels, channel)
            if not shared.left(figures.channel_limit, now):
                return Refusal(Scope.SHARED, shared.resets_in(figures.channel_window, now))
            shared.use(figures.channel_window, now)
        own.use(figures.webhook_window, now)
        return None

    def headers(self, bucket: str, now: float, version: int) -> dict[str, str]:
        """What the answer tells of *bucket*: of the webhook's own limit, never of the channel's."""
        figures, window = self.figures, _window(self._webhooks, bucket)
        resets_in = window.resets_in(figures.webhook_window, now)
        fine = version >= _FIRST_IN_SECONDS
        return {
            "X-RateLimit-Limit": str(figures.webhook_limit),
            "X-RateLimit-Remaining": str(window.left(figures.webhook_limit, now)),
            "X-RateLimit-Reset": f"{now + resets_in:.3f}" if fine else str(math.ceil(now + resets_in)),
            "X-RateLimit-Reset-After": f"{resets_in:.3f}" if fine else str(math.ceil(resets_in)),
            "X-RateLimit-Bucket": bucket_hash(bucket),
        }

    def forget(self) -> None:
        """Begin every window anew."""
        self._webhooks.clear()
        self._channels.clear()
        self._addresses.clear()


@dataclass(slots=True)
class Offences:
    """Answers of 401, 403 and 429 by address, within the time in which too many of them ban it.

    What the limit of a channel refused is not counted, as Discord does not.
    """

    ban_after: int
    seconds: float = 600.0
    _by_address: dict[str, deque[float]] = field(default_factory=dict)

    def note(self, address: str, now: float) -> None:
        """Count one."""
        times = self._by_address.get(address)
        if times is None:
            _make_room(self._by_address)
            times = self._by_address[address] = deque(maxlen=self.ban_after)
        times.append(now)

    def count(self, address: str, now: float) -> int:
        """How many count now."""
        times = self._by_address.get(address, deque())
        while times and times[0] <= now - self.seconds:
            times.popleft()
        return len(times)

    def banned(self, address: str, now: float) -> bool:
        """Whether there were too many; the answers of a ban are not counted, so that it ends."""
        return self.count(address, now) >= self.ban_after

    def counts(self, now: float) -> dict[str, int]:
        """How many count now, by address."""
        return {address: self.count(address, now) for address in list(self._by_address)}

    def forget(self) -> None:
        """Forget all."""
        self._by_address.clear()


def retry_after(seconds: float, version: int) -> tuple[str, float | int]:
    """How a refusal tells its seconds: in the header, whole and not too few, and in the body."""
    if version < _FIRST_IN_SECONDS:
        milliseconds = math.ceil(seconds * 1000)
        return str(milliseconds), milliseconds
    return str(math.ceil(seconds)), round(seconds + 0.0005, 3)


def bucket_hash(bucket: str) -> str:
    """The hash that tells kinds of limits apart; the webhook is not part of it."""
    return blake2b(bucket.partition(":")[0].encode(), digest_size=16).hexdigest()


def _window(windows: dict[str, Window], key: str) -> Window:
    found = windows.get(key)
    if found is None:
        _make_room(windows)
        found = windows[key] = Window()
    return found


def _make_room(windows: dict[str, Window] | dict[str, deque[float]]) -> None:
    while len(windows) >= _MAX_TRACKED:
        del windows[next(iter(windows))]
