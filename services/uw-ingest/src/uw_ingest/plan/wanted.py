"""From what people wish for to what upstream is asked for.

Pure. A wish names a public subject or a NATS wildcard over subjects. One table, made from the catalogue and
the kinds of channels, leads from subjects to channels (:func:`channels_for`) and back (:func:`topic_of`):

    uw.v1.gex.SPY                gex:SPY
    uw.v1.gex.*                  gex
    uw.v1.gex_strike.SPY.>       gex_strike:SPY
    uw.v1.flow_alert.SPY         flow-alerts, which has no form for one ticker
    uw.v1.net_flow.*             refused, since it has no form for all tickers
    uw.v1.market_mover.*         no channel; the feed is polled
    uw.v1.raw.periscope.SPX      periscope:SPX
    uw.v1.>                      every typed channel that can be had of all tickers; raw ones want their name
    alert.v1.>                   nothing, since others publish it
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Protocol

from baleen_contracts import CATALOGUE, by_name
from baleen_contracts.tokens import name_token, symbol_token, untoken
from uw_ingest.channels import KINDS, POLLED_FEEDS, ChannelKind, assumed_weight, kind_of, split

MAX_TOPIC = 200  # characters
MAX_TOPICS = 500  # of one wisher
MAX_UNSERVED = 300  # refusals at once, of all wishers
MAX_NAMED = 10  # wishers that are named where a wish is refused or served
_TOLD = 20  # excess topics of one wisher that are refused by name
_TICKER = re.compile(r"[A-Z0-9.^/_-]{1,20}")
_RAW = ["uw", "v1", "raw"]


class Wish(Protocol):
    """What somebody wants to hear, and until when."""

    @property
    def topic(self) -> str:
        """A public subject or wildcard."""

    @property
    def kind(self) -> str:
        """What the wisher is: a gateway, a team."""

    @property
    def wisher(self) -> str:
        """Its name."""

    @property
    def until(self) -> datetime:
        """When the wish ends unless it is renewed."""


@dataclass(frozen=True, slots=True)
class Want:
    """A channel that should be joined.

    ``by`` are those who wish for it, as ``kind/name``; a channel that is neither configured nor wished for
    any more lingers. ``weight`` is in frames a second.
    """

    channel: str
    by: tuple[str, ...]
    weight: float
    configured: bool = False


@dataclass(frozen=True, slots=True)
class Unserved:
    """A wish that is not fulfilled, with the reason and, where there is one, the cure."""

    topic: str
    by: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the table: subjects, and the kind of channel or the polled feed that fills them."""

    pattern: str
    symbol_at: int | None  # which token of the subject is the ticker
    kind: ChannelKind | None
    polled: str = ""


def _typed(kind: ChannelKind) -> Route:
    entity = by_name(kind.feed)
    parts = entity.subject.split(".")
    return Route(entity.pattern, parts.index("{symbol}") if "{symbol}" in parts else None, kind)


ROUTES: tuple[Route, ...] = (
    *(_typed(kind) for kind in KINDS.values() if kind.typed),
    *(Route(by_name(feed).pattern, None, None, polled=feed) for feed in POLLED_FEEDS),
    *(Route(f"uw.v1.raw.{name_token(k.name)}.*", 4, k) for k in KINDS.values() if not k.typed),
)


@lru_cache(maxsize=1 << 14)
def channels_for(topic: str) -> tuple[str, ...] | Unserved:
    """Return the channels that fill a topic; none for what is polled or comes from elsewhere."""
    flaw = _flaw(topic)
    if flaw:
        return Unserved(topic[:MAX_TOPIC], (), flaw)
    parts = topic.split(".")
    routes = _routes(parts)
    found = [_channel(route, parts) for route in routes]
    channels = tuple(dict.fromkeys(channel for channel, _ in found if channel))
    reasons = [why for channel, why in found if not channel]
    if channels or any(route.polled for route in routes):
        return channels
    if reasons:
        return Unserved(topic, (), reasons[0])
    if parts[:3] == _RAW:
        return Unserved(topic, (), "upstream has no such channel; one that is new must be configured")
    if any(_meet(parts, entity.pattern.split(".")) for entity in CATALOGUE):
        return ()
    return Unserved(topic, (), "no message travels there; see the table of subjects")


def polled_for(topic: str) -> frozenset[str]:
    """Return the polled feeds that a topic touches."""
    if _flaw(topic):
        return frozenset()
    return frozenset(route.polled for route in _routes(topic.split(".")) if route.polled)


def topic_of(channel: str) -> str:
    """Return the subjects that a channel fills."""
    name, ticker = split(channel)
    kind = kind_of(channel)
    key = symbol_token(ticker) if ticker else "*"
    if not kind.typed:
        return f"uw.v1.raw.{name_token(name)}.{key}"
    parts = (key if part == "{symbol}" else part for part in by_name(kind.feed).subject.split("."))
    return ".".join("*" if part.startswith("{") else part for part in parts)


@dataclass(slots=True)
class Wanted:
    """What is wanted: configured, wished for, or wished for until a moment ago."""

    configured: Sequence[str]
    linger: float = 120.0  # seconds after the last wish
    _wished_at: dict[str, datetime] = field(default_factory=dict)  # channels and polled feeds
    _admitted: set[tuple[str, str]] = field(default_factory=set)

    def update(
        self, wishes: Iterable[Wish], now: datetime, measured: Mapping[str, float] | None = None
    ) -> tuple[list[Want], list[Unserved], frozenset[str]]:
        """Take all wishes of this moment; return what to join, what cannot be served, what to poll.

        ``measured`` are frames a second by channel, where they are known. Configured channels come first,
        then those that most wish for.
        """
        topics, unserved = self._admit(wishes, now)
        by: dict[str, set[str]] = {}
        for topic, wishers in topics.items():
            channels = self._resolve(topic)
            if isinstance(channels, Unserved):
                unserved.append(replace(channels, by=tuple(sorted(wishers)[:MAX_NAMED])))
                continue
            for wanted in (*channels, *polled_for(topic)):
                by.setdefault(wanted, set()).update(wishers)
        self._remember(by, now)
        found = dict.fromkeys((*self.configured, *self._wished_at))
        wants = [self._want(channel, by, measured or {}) for channel in found if channel not in POLLED_FEEDS]
        wants.sort(key=lambda want: (not want.configured, want.configured or (-len(want.by), want.channel)))
        unserved.sort(key=lambda one: (one.topic, one.by))
        return (
            wants,
            unserved[:MAX_UNSERVED],
            frozenset(feed for feed in POLLED_FEEDS if feed in self._wished_at),
        )

    def adopt(self, channels: Iterable[str], now: datetime) -> None:
        """Let channels and polled feeds linger from now on, for which another planner saw wishes."""
        self._remember((c for c in channels if c not in self.configured), now)

    def _admit(self, wishes: Iterable[Wish], now: datetime) -> tuple[dict[str, set[str]], list[Unserved]]:
        """Sort wishes by topic; drop what is over, and of one wisher what is too much."""
        of: dict[str, set[str]] = {}
        for wish in wishes:
            if wish.until > now:
                of.setdefault(f"{wish.kind}/{wish.wisher}", set()).add(wish.topic)
        topics: dict[str, set[str]] = {}
        unserved: list[Unserved] = []
        for wisher, wished in sorted(of.items()):
            order = sorted(wished, key=lambda topic: ((wisher, topic) not in self._admitted, topic))
            why = f"{len(order)} wishes are too many: {MAX_TOPICS} are heard; wish for wildcards"
            excess = order[MAX_TOPICS : MAX_TOPICS + _TOLD]
            unserved += [Unserved(topic[:MAX_TOPIC], (wisher,), why) for topic in excess]
            for topic in order[:MAX_TOPICS]:
                topics.setdefault(topic, set()).add(wisher)
        self._admitted = {(wisher, topic) for topic, wishers in topics.items() for wisher in wishers}
        return topics, unserved

    def _resolve(self, topic: str) -> tuple[str, ...] | Unserved:
        """Find a topic's channels; what only configured channels can fill is filled by those."""
        channels = channels_for(topic)
        if isinstance(channels, Unserved) and not _flaw(topic):
            parts = topic.split(".")
            filled = tuple(c for c in self.configured if _meet(parts, topic_of(c).split(".")))
            return filled or channels
        return channels

    def _remember(self, wished: Iterable[str], now: datetime) -> None:
        last = {c: min(at, now) for c, at in self._wished_at.items()} | dict.fromkeys(wished, now)
        linger = timedelta(seconds=self.linger)
        self._wished_at = {c: at for c, at in last.items() if now - at < linger or at == now}

    def _want(self, channel: str, by: Mapping[str, set[str]], measured: Mapping[str, float]) -> Want:
        weight = measured.get(channel, assumed_weight(channel))
        return Want(channel, tuple(sorted(by.get(channel, ()))), weight, channel in self.configured)


def _flaw(topic: str) -> str:
    """Say why a topic is no subject, if it is none."""
    if len(topic) > MAX_TOPIC:
        return f"a topic has at most {MAX_TOPIC} characters"
    parts = topic.split(".")
    if "" in parts or ">" in parts[:-1] or not topic.isprintable() or " " in topic:
        return "no subject is written that way"
    return ""


def _meet(one: Sequence[str], other: Sequence[str]) -> bool:
    """Tell whether some subject matches both patterns."""
    for a, b in zip(one, other, strict=False):
        if ">" in (a, b):
            return True
        if a != b and "*" not in (a, b):
            return False
    return len(one) == len(other)


def _routes(parts: Sequence[str]) -> list[Route]:
    """Return the lines of the table that a topic touches; raw channels only when they are asked for."""
    raw = list(parts[:3]) == _RAW
    return [
        route
        for route in ROUTES
        if _meet(parts, route.pattern.split(".")) and (raw or route.kind is None or route.kind.typed)
    ]


def _channel(route: Route, parts: Sequence[str]) -> tuple[str, str]:
    """Return the channel for a topic on a line of the table, or why there is none."""
    kind = route.kind
    if kind is None:
        return "", ""
    place = route.symbol_at
    written = parts[place] if place is not None and place < len(parts) else "*"
    if written in ("*", ">") or not kind.by_ticker:
        example = topic_of(f"{kind.name}:SPY")
        return (kind.name, "") if kind.whole else ("", f"upstream wants a ticker here, such as {example}")
    try:
        ticker = untoken(written) or ""
    except ValueError:
        ticker = ""
    if _TICKER.fullmatch(ticker):
        return f"{kind.name}:{ticker}", ""
    if _TICKER.fullmatch(ticker.upper()):
        return "", f"tickers in subjects are upper case: {topic_of(f'{kind.name}:{ticker}')}"
    return "", f"{written[:40]!r} is no ticker"
