"""Whether a destination is told of an alert, now, later or not, and why. Pure.

``route → mute → dedupe → cooldown → quiet → group``: the first that stops the alert is its reason. An alert
that edits or deletes another has no part in dedupe, cooldown and group, and one that deletes none in quiet
hours either: nobody hears it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

from alert_bridge.reasons import Suppressed, Wait
from alert_bridge.rules.clock import quiet_until, reckonable
from alert_bridge.rules.memory import Memory, Note
from alert_bridge.rules.model import Mute, Once, Quiet, Route, Rules
from alert_bridge.rules.seen import Key, Seen, rank_of
from baleen_contracts.alert import Alert

__all__ = ["Decision", "Hold", "Memory", "Send", "Suppress", "decide", "memory_span", "remember"]

_DEDUPE: Final = "dedupe"
_COOLDOWN: Final = "cooldown"


@dataclass(frozen=True, slots=True)
class Send:
    """Tell it, by this route. ``notes`` is for `Memory.forget`, if it dies on the way."""

    route: str
    notes: tuple[Note, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Hold:
    """Tell it later, in one digest with the others of this route and key.

    A digest takes what was received before the first one's ``until``, goes out then, and sooner once it has
    ``most``; what comes after begins a new one. ``until`` depends on the alert alone, so it may have passed.
    """

    route: str
    key: str
    until: datetime
    why: Wait
    most: int | None = None
    notes: tuple[Note, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Suppress:
    """Do not tell it. ``detail`` is one sentence for people."""

    reason: Suppressed
    route: str | None
    detail: str = ""


Decision = Send | Hold | Suppress


def decide(rules: Rules, destination: str, alert: Alert, memory: Memory, *, now: datetime) -> Decision:
    """What becomes of *alert* at *destination*; what is let through is noted in *memory*.

    Args:
        rules: who is told what.
        destination: its name in the rules.
        alert: what was accepted.
        memory: what was let through before, of this destination or of all.
        now: when it was received, whenever this is asked, so that asking again gives the same answer: its
            ``received_at``, or when the stream took it if that was earlier, since a publisher's clock that is
            ahead must hold nothing for long.
    """
    now = reckonable(now)
    seen = Seen(alert)
    route = route_to(rules, destination, seen)
    if route is None:
        return Suppress(Suppressed.NOT_ROUTED, None, "no route leads there")
    mute = mute_of(rules, destination, seen, now)
    if mute is not None:
        return Suppress(Suppressed.MUTED, route.name, f'by the mute "{mute.name}"')
    notes: tuple[Note, ...] = ()
    if (route.dedupe is not None or route.cooldown is not None) and not seen.edits:
        found = _repeats(route, destination, seen, memory, now)
        if isinstance(found, Suppress):
            return found
        notes = found
    decision = _when(route, seen, now, notes)
    if not isinstance(decision, Suppress):
        for note in notes:
            memory.take(note)
    return decision


def remember(rules: Rules, destination: str, alert: Alert, memory: Memory, *, now: datetime) -> None:
    """Note in *memory* that *alert* was let through at *destination*, without deciding it anew.

    For alerts of which it is written down. Deciding those of the span again would not give the same: the
    first of them would be let through although one before the span had suppressed it, and then hide others.
    """
    seen = Seen(alert)
    route = route_to(rules, destination, seen)
    if route is None or seen.edits:
        return
    for _, _, note in _notes(route, destination, seen, reckonable(now)):
        memory.take(note)


def memory_span(rules: Rules) -> float:
    """Seconds back to the oldest alert that can still make another one a repeat; 0 if none can."""
    onces = [once for route in rules.routes for once in (route.dedupe, route.cooldown) if once is not None]
    return max((once.seconds for once in onces), default=0.0)


def route_to(rules: Rules, destination: str, seen: Seen) -> Route | None:
    """The first route that fits and leads there; a route that fits and does not go on ends the search."""
    for route in rules.routes:
        if route.match.misfit(seen) is None:
            if destination in route.to:
                return route
            if not route.goes_on:
                return None
    return None


def mute_of(rules: Rules, destination: str, seen: Seen, now: datetime) -> Mute | None:
    """The first mute that is in force there and means this alert."""
    for mute in rules.mutes:
        if (
            (mute.until is None or now < mute.until)
            and (mute.to is None or destination in mute.to)
            and mute.match.misfit(seen) is None
        ):
            return mute
    return None


def wakes(quiet: Quiet, seen: Seen) -> bool:
    """Whether an alert comes through quiet hours."""
    return seen.deletes or (quiet.unless is not None and seen.rank >= rank_of(quiet.unless))


def _repeats(
    route: Route, destination: str, seen: Seen, memory: Memory, now: datetime
) -> Suppress | tuple[Note, ...]:
    """The reason if it repeats what was let through; else what to note of it."""
    notes: list[Note] = []
    for kind, once, note in _notes(route, destination, seen, now):
        since = memory.seconds_since(note)
        if since is not None and abs(since) < once.seconds:
            return _repeat(kind, once, route, since)
        notes.append(note)
    return tuple(notes)


def _notes(route: Route, destination: str, seen: Seen, now: datetime) -> Iterator[tuple[str, Once, Note]]:
    """What there is to note of an alert that a route lets through, by the rule that asks for it."""
    for kind, once in ((_DEDUPE, route.dedupe), (_COOLDOWN, route.cooldown)):
        if once is not None:
            key = seen.key(once.by)
            if any(key) or not once.by:  # without any of its keys, nothing says that it is like another
                place = (destination, route.name, kind, once.by, key)
                yield kind, once, Note(place, now.timestamp(), seen.same())


def _repeat(kind: str, once: Once, route: Route, since: float) -> Suppress:
    away = f"received {abs(since):.3g} s {'before' if since >= 0 else 'after'} it"
    by = ", ".join(once.by)
    if kind == _DEDUPE:
        return Suppress(Suppressed.DUPLICATE, route.name, f"the same by {by} as one {away}")
    alike = f"one of the same {by}" if by else "one"
    return Suppress(Suppressed.COOLDOWN, route.name, f"within {once.seconds:g} s of {alike}, {away}")


def _when(route: Route, seen: Seen, now: datetime, notes: tuple[Note, ...]) -> Decision:
    quiet, group = route.quiet, route.group
    if quiet is not None and not wakes(quiet, seen):
        until = quiet_until(quiet, now)
        if until is not None and not quiet.hold:
            shown = until.astimezone(quiet.zone)
            return Suppress(
                Suppressed.QUIET_HOURS, route.name, f"quiet until {shown:%a %H:%M} {quiet.zone.key}"
            )
        if until is not None:
            key = _text(until, seen.key(group.by) if group else ())
            return Hold(route.name, key, until, Wait.QUIET_HOURS, None, notes)
    if group is not None and not seen.edits:
        until = now + timedelta(seconds=group.seconds)
        return Hold(route.name, _text(None, seen.key(group.by)), until, Wait.GROUPED, group.most, notes)
    return Send(route.name, notes)


def _text(until: datetime | None, key: Key) -> str:
    """A short text for what is told together; *until* keeps one night apart from the next and from groups."""
    return blake2b(repr((until, key)).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
