"""Who would be told of an alert and why, step by step, without telling anyone. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from alert_bridge.rules.clock import quiet_until, reckonable
from alert_bridge.rules.decide import Decision, Hold, Memory, Send, decide, wakes
from alert_bridge.rules.model import Match, Mute, Once, Quiet, Route, Rules
from alert_bridge.rules.seen import Seen
from baleen_contracts.alert import Alert

_LISTED = 8


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would become of an alert at one destination, and the steps that lead there, a sentence each."""

    destination: str
    decision: Decision
    steps: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """The decision in one sentence."""
        decision = self.decision
        if isinstance(decision, Send):
            return f'is told, by the route "{decision.route}"'
        if isinstance(decision, Hold):
            return f'is told later, at {decision.until:%Y-%m-%dT%H:%M:%SZ}, by the route "{decision.route}"'
        return f"is not told: {decision.reason}, {decision.detail}"


def explain(rules: Rules, alert: Alert, now: datetime, memory: Memory | None = None) -> list[Explanation]:
    """What becomes of *alert* at each destination if it is received at *now*.

    *memory* is what was let through before, of which nothing changes; without it, nothing was.
    """
    seen = Seen(alert)
    known = Memory() if memory is None else memory
    now = reckonable(now)
    return [
        Explanation(
            destination,
            decide(rules, destination, alert, known.copy(), now=now),
            tuple(_steps(rules, destination, seen, now)),
        )
        for destination in rules.destinations
    ]


def _steps(rules: Rules, destination: str, seen: Seen, now: datetime) -> Iterator[str]:
    for route in rules.routes:
        called = f'route "{route.name}"'
        misfit = _misfit(route.match, seen)
        if misfit is not None:
            yield f"{called} does not fit: {misfit}"
        elif destination in route.to:
            yield f"{called} fits and leads here"
            yield from _after(route, rules.mutes, destination, seen, now)
            return
        elif not route.goes_on:
            yield f"{called} fits, leads elsewhere and does not go on: no later route is looked at"
            return
        else:
            yield f"{called} fits, leads elsewhere and goes on"
    yield "no route is left"


def _after(
    route: Route, mutes: tuple[Mute, ...], destination: str, seen: Seen, now: datetime
) -> Iterator[str]:
    for mute in mutes:
        fits, said = _muted(mute, destination, seen, now)
        yield said
        if fits:
            return
    if seen.edits:
        yield "it edits or deletes an earlier alert, so dedupe, cooldown and group have no part in it"
    else:
        if route.dedupe is not None:
            yield _once("dedupe", route.dedupe, seen)
        if route.cooldown is not None:
            yield _once("cooldown", route.cooldown, seen)
    if route.quiet is not None:
        until, said = _quiet(route.quiet, seen, now)
        yield said
        if until is not None:
            return
    if route.group is not None and not seen.edits:
        alike = f" of equal {', '.join(route.group.by)}" if route.group.by else ""
        yield (
            f"group: one digest of all{alike}, {route.group.seconds:g} s after the first or with "
            f"{route.group.most}"
        )


def _muted(mute: Mute, destination: str, seen: Seen, now: datetime) -> tuple[bool, str]:
    called = f'mute "{mute.name}"'
    if mute.until is not None and now >= mute.until:
        return False, f"{called} ended at {mute.until.isoformat()}"
    if mute.to is not None and destination not in mute.to:
        return False, f"{called} is for other destinations"
    misfit = _misfit(mute.match, seen)
    return misfit is None, f"{called} fits" if misfit is None else f"{called} does not fit: {misfit}"


def _once(kind: str, once: Once, seen: Seen) -> str:
    key = seen.key(once.by)
    if once.by and not any(key):
        return f"{kind}: it has no {' and no '.join(once.by)}, so it is like no other"
    values = ", ".join(f"{name} {value!r}" for name, value in zip(once.by, key, strict=True))
    return f"{kind}: only the first of {f'equal {values}' if values else 'all'} within {once.seconds:g} s"


def _quiet(quiet: Quiet, seen: Seen, now: datetime) -> tuple[datetime | None, str]:
    """Until when it stays quiet about this alert, and the sentence."""
    there = now.astimezone(quiet.zone)
    hours = (
        f"quiet hours {quiet.begin:%H:%M} to {quiet.end:%H:%M}, and it is {there:%a %H:%M} in {there.tzinfo}"
    )
    until = quiet_until(quiet, now)
    if until is None:
        return None, f"{hours}: it is not quiet"
    if wakes(quiet, seen):
        why = "a deletion makes no sound" if seen.deletes else f"{quiet.unless} and worse come through"
        return None, f"{hours}: quiet, but {why}"
    then = "kept until then" if quiet.hold else "dropped"
    return until, f"{hours}: quiet until {until.astimezone(quiet.zone):%a %H:%M}, {then}"


def _misfit(match: Match, seen: Seen) -> str | None:
    """Why an alert is not meant, in words."""
    condition = match.misfit(seen)
    alert = seen.alert
    match condition:
        case None:
            return None
        case "types":
            return f"its type {alert.alert_type!r} is not {_any_of(match.types)}"
        case "sources":
            return f"its source {alert.source!r} is not {_any_of(match.sources)}"
        case "symbols":
            named = (
                f"its symbol {alert.symbol!r} is not" if alert.symbol is not None else "it has no symbol of"
            )
            return f"{named} {_any_of(match.symbols)}"
        case "severity":
            said = f"{alert.severity!r}" if alert.severity else "not said, which counts as info"
            return f"its severity is {said}, below {match.severity}"
        case _:
            return f"not true of it: {match.where.text if match.where else condition}"


def _any_of(names: tuple[str, ...]) -> str:
    more = f" or {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return " or ".join(names[:_LISTED]) + more
