"""When a message may go to a webhook: its own limit, its channel's, and that of this machine's address. Pure.

A webhook's limit stands in the headers of its answers, and is used to the full once they told it. A
channel's shows in no header, so it is kept by counting what this process sent there; a machine's likewise.
``now`` is monotonic seconds.

What counts is when a message arrived at Discord, which is some time between its sending and its answer. So
a sent message leaves a window only so many seconds after its *answer*: whatever the network does, no window
of that length at Discord holds more than the limit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import TypeVar

_T = TypeVar("_T")

WEBHOOK_MESSAGES, WEBHOOK_SECONDS = 5, 2.0
GLOBAL_REQUESTS, GLOBAL_SECONDS = 40, 1.0
"""Below the fifty a second that Discord gives an address."""
MAX_REFUSALS, REFUSAL_SECONDS = 1_000, 600.0
"""A tenth of the refusals for which Discord shuts an address out."""
LONGEST_PAUSE = 3_600.0

_MOST_REMEMBERED = 1_000
_MOST_TOLD = 10_000
_MOST_KNOWN = 2_000  # webhooks, channels or hosts
_A_MOMENT = 0.05  # seconds; how soon to ask again while the answer that frees a place is under way
_SLACK = 0.01  # seconds over a time that Discord told, since both round


@dataclass(slots=True)
class Window:
    """Requests that count towards so many in any so many seconds."""

    flying: int = 0
    _ended: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST_REMEMBERED))

    def wait(self, now: float, most: int, seconds: float) -> float:
        """Seconds until one more may go, with at most *most* in any *seconds*."""
        if self.flying >= most:
            return _A_MOMENT
        place = len(self._ended) - (most - self.flying)
        return max(self._ended[place] + seconds - now, 0.0) if place >= 0 else 0.0

    def begin(self) -> None:
        """One goes."""
        self.flying += 1

    def end(self, now: float) -> None:
        """One is over, answered or not."""
        self.flying -= 1
        self._ended.append(now)

    def absorb(self, other: Window) -> None:
        """Count what *other* counted as well."""
        self._ended = deque(sorted([*self._ended, *other._ended]), maxlen=_MOST_REMEMBERED)


@dataclass(slots=True)
class Bucket:
    """The limit of one webhook for one kind of request, as headers tell it."""

    most: int = WEBHOOK_MESSAGES
    seconds: float = WEBHOOK_SECONDS
    left: int = WEBHOOK_MESSAGES
    resets_at: float = -inf
    told: bool = False
    window: Window = field(default_factory=Window)

    def wait(self, now: float) -> float:
        """Seconds until one more may go."""
        if not self.told:
            return self.window.wait(now, WEBHOOK_MESSAGES, WEBHOOK_SECONDS)
        if self.left > 0:
            return 0.0
        return max(self.resets_at - now, 0.0) if self.window.flying < self.most else _A_MOMENT

    def begin(self, now: float) -> None:
        """One goes."""
        if now >= self.resets_at:
            self.left, self.resets_at = self.most, inf  # until its answer tells
        self.left -= 1
        self.window.begin()

    def end(self, now: float, headers: Mapping[str, str]) -> None:
        """One was answered with *headers*; without an answer there are none."""
        self.window.end(now)
        most, left = (_number(headers, f"x-ratelimit-{name}") for name in ("limit", "remaining"))
        seconds = _number(headers, "x-ratelimit-reset-after")
        if most is None or left is None or seconds is None or not 1 <= most <= _MOST_TOLD:
            if self.resets_at == inf:
                self.resets_at = now + self.seconds
            return
        self.most = int(most)
        self.seconds = min(seconds, LONGEST_PAUSE) if left == most - 1 else self.seconds
        self.left = min(int(left), self.most) - self.window.flying  # those may not be counted yet
        self.resets_at = now + min(seconds, LONGEST_PAUSE) + _SLACK
        self.told = True


@dataclass(slots=True)
class Channel:
    """What all webhooks of one channel share."""

    window: Window = field(default_factory=Window)
    paused_until: float = -inf


@dataclass(slots=True)
class Origin:
    """What all requests of this process to one host share: its address is what Discord counts."""

    window: Window = field(default_factory=Window)
    paused_until: float = -inf
    shut_outs: int = 0
    channels: dict[str, Channel] = field(default_factory=dict)
    webhooks: dict[str, dict[str, Bucket]] = field(default_factory=dict)
    _refusals: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_REFUSALS))

    def wait(self, now: float) -> float:
        """Seconds until one more request may go to this host."""
        full = len(self._refusals) == MAX_REFUSALS
        return max(
            self._refusals[0] + REFUSAL_SECONDS - now if full else 0.0,
            self.paused_until - now,
            self.window.wait(now, GLOBAL_REQUESTS, GLOBAL_SECONDS),
        )

    def refused(self, now: float) -> None:
        """An answer that Discord counts: 401, 403, or a 429 that is our own."""
        self._refusals.append(now)


class Limits:
    """The limits of everything this process sends, by host, channel and webhook.

    They outlive the destinations: one that is made anew by other rules goes on where it was.
    """

    def __init__(self) -> None:
        self._origins: dict[str, Origin] = {}

    def origin(self, host: str) -> Origin:
        """What is shared with everything sent to *host*."""
        return _kept(self._origins, host, Origin())


class Lane:
    """The limits of one webhook.

    Args:
        limits: those of the process.
        host: where its requests go.
        webhook: what tells it from others there.
        messages: that its channel takes in ``seconds``.
        seconds: see ``messages``.
    """

    def __init__(self, limits: Limits, *, host: str, webhook: str, messages: int, seconds: float) -> None:
        self._origin = limits.origin(host)
        self._buckets = _kept(self._origin.webhooks, webhook, {})
        self._channel = _kept(self._origin.channels, f"of {webhook}", Channel())
        self._messages, self._seconds = messages, seconds

    def in_channel(self, channel_id: str) -> None:
        """Its channel became known: share what others sent there."""
        channel = _kept(self._origin.channels, channel_id, self._channel)
        if channel is not self._channel:
            channel.window.absorb(self._channel.window)
            channel.paused_until = max(channel.paused_until, self._channel.paused_until)
            self._channel = channel

    def wait(self, now: float, kind: str) -> float:
        """Seconds until a request of this *kind* may go; 0 for now."""
        bucket = self._buckets.get(kind)
        waits = [
            self._origin.wait(now),
            self._channel.paused_until - now,
            bucket.wait(now) if bucket else 0.0,
        ]
        if kind == "POST":
            waits.append(self._channel.window.wait(now, self._messages, self._seconds))
        return max(0.0, *waits)

    def begin(self, now: float, kind: str) -> None:
        """A request goes. Only after `wait` said 0, with no await between."""
        self._buckets.setdefault(kind, Bucket()).begin(now)
        self._origin.window.begin()
        if kind == "POST":
            self._channel.window.begin()

    def end(self, now: float, kind: str, headers: Mapping[str, str], status: int | None) -> None:
        """It is over: answered with *status* and *headers*, or lost."""
        self._buckets[kind].end(now, headers)
        self._origin.window.end(now)
        if kind == "POST":
            self._channel.window.end(now)
        if status in {401, 403} or (status == 429 and headers.get("x-ratelimit-scope") != "shared"):  # noqa: PLR2004
            self._origin.refused(now)
        if status is not None and status < 400:  # noqa: PLR2004 - not an error
            self._origin.shut_outs = 0

    @property
    def shut_outs(self) -> int:
        """How often in a row the network before Discord turned us away."""
        return self._origin.shut_outs

    def pause(self, until: float, *, everywhere: bool, shut_out: bool) -> None:
        """Nobody sends to the channel, or to this host at all, until then.

        ``shut_out``: so says the network before Discord.
        """
        whom = self._origin if everywhere else self._channel
        whom.paused_until = max(whom.paused_until, until)
        self._origin.shut_outs += shut_out


def _kept(known: dict[str, _T], key: str, new: _T) -> _T:
    """What is known under *key*, or from now on *new*; the oldest makes room where rules change for ever."""
    if key not in known and len(known) >= _MOST_KNOWN:
        del known[next(iter(known))]
    return known.setdefault(key, new)


def _number(headers: Mapping[str, str], name: str) -> float | None:
    try:
        value = float(headers.get(name, ""))
    except ValueError:
        return None
    return value if isfinite(value) and value >= 0 else None
