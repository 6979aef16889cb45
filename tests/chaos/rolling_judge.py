"""Was anything lost when everything was restarted? Pure.

Compares books that were kept apart: upstream's journal, the streams, what the pretend Discord was told, the
bridge's account, and what each client heard.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.alerts.posting import marks_of, out_of_order, repeats_in
from tests.chaos.ledger import Audit, Said, audit
from tests.chaos.records import Key, wrong_between, wrong_in
from tests.chaos.rolling import Restart


@dataclass(frozen=True, slots=True)
class NativeRecord:
    """What a client of the native protocol heard, and what the streams hold for it, by stream."""

    heard: Mapping[str, Sequence[Key]]
    wanted: Mapping[str, Sequence[Key]]
    gaps: Sequence[Mapping[str, Any]] = ()
    could_resume: bool = True
    away: Sequence[float] = ()
    """Seconds without being served, each time."""


@dataclass(frozen=True, slots=True)
class OlderRecord:
    """What a client heard that cannot resume, connection by connection, and what the stream holds."""

    path: str
    heard: Sequence[Sequence[Key]]
    kept: Sequence[Key]


@dataclass(frozen=True, slots=True)
class Alerts:
    """What became of the alerts."""

    accepted: Sequence[str]
    stored: Sequence[str]
    """The marks in the stream, one for each stored alert."""
    told: Sequence[Mapping[str, Any]]
    """The pretend Discord's entries."""
    account: Mapping[str, Any]
    refused_by_discord: int = 0
    """Messages beyond its limits."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a rolling restart left behind."""

    restarts: Sequence[Restart]
    upstream: Audit
    alerts: Alerts
    natives: Sequence[NativeRecord]
    older: Sequence[OlderRecord]
    violations: Sequence[Any] = ()
    """Upstream's limits that were exceeded."""
    answers: Mapping[int, int] = field(default_factory=dict)
    """Of the bridges to their sources, by status."""
    slowest_post: float = 0.0
    """Seconds that the slowest alert took until it was taken."""


def wrong_in_run(run: Run) -> list[str]:
    """Every finding, in words; nothing if nothing was lost."""
    wrong = [words for restart in run.restarts for words in restart.wrong()]
    if not run.upstream.whole:  # it holds what was said before the drill began, too
        wrong.append(f"upstream: {run.upstream.summary()}")
    wrong += [f"a limit of upstream's was exceeded: {each}" for each in run.violations]
    wrong += wrong_with_alerts(run.alerts)
    for number, client in enumerate(run.natives):
        wrong += [f"client {number}, {words}" for words in _wrong_with_native(client)]
    for older in run.older:
        found = [words for record in older.heard for words in wrong_between(record, older.kept)]
        wrong += [f"a client of {older.path}: {words}" for words in found]
    return wrong


def wrong_with_alerts(alerts: Alerts) -> list[str]:
    """Every accepted alert is stored once, told, accounted for, and in the order of its source."""
    stored = audit([Said(0, "alert", mark) for mark in alerts.accepted], alerts.stored, [])
    told, account = marks_of(alerts.told), alerts.account
    missing, repeats = set(alerts.accepted) - set(told), repeats_in(told)
    ends = (account["delivered"], account["in_flight"], account["unaccounted"])
    found = {
        f"alerts in the stream: {stored.summary()}": not stored.whole or stored.unheard_of,
        f"{len(missing)} alerts were not told, such as {min(missing, default='')}": missing,
        f"told in another order: {out_of_order(told)[:5]}": out_of_order(told),
        f"{repeats} alerts repeated, {account['possible_duplicates']} admitted": (
            repeats > account["possible_duplicates"]
        ),
        f"the account of {len(alerts.accepted)} alerts: {account}": ends != (len(alerts.accepted), 0, 0),
        f"Discord refused {alerts.refused_by_discord} messages": alerts.refused_by_discord,
    }
    return [words for words, is_wrong in found.items() if is_wrong]


def _wrong_with_native(client: NativeRecord) -> list[str]:
    wrong = [
        f"{stream}: {words}"
        for stream, wanted in client.wanted.items()
        for words in wrong_in(client.heard[stream], wanted)
    ]
    wrong += [f"told of a gap: {gap}" for gap in client.gaps]
    return wrong if client.could_resume else [*wrong, "a position was not taken"]


def figures(run: Run) -> str:
    """What is worth reading when nothing is wrong."""
    away = sorted(seconds for client in run.natives for seconds in client.away)
    events = sum(len(heard) for client in run.natives for heard in client.heard.values())
    connections = [record for older in run.older for record in older.heard]
    answers = ", ".join(f"{count} of {status}" for status, count in sorted(run.answers.items()))
    repeats = repeats_in(marks_of(run.alerts.told))
    lines = [f"upstream: {run.upstream.summary()}"]
    lines.append(f"alerts: {len(run.alerts.accepted)} accepted ({answers}), {repeats} repeated, ")
    lines[-1] += f"{run.alerts.account['possible_duplicates']} admitted as possible repeats, "
    lines[-1] += f"the slowest taken after {run.slowest_post:.2f} s"
    lines.append(f"native clients: {len(run.natives)} heard {events} events and were away {len(away)} times")
    lines[-1] += f", {away[len(away) // 2]:.2f} s in the median, {away[-1]:.2f} s at most" if away else ""
    lines.append(f"older clients: {len(run.older)} with {len(connections)} connections ")
    lines[-1] += f"heard {sum(map(len, connections))} messages"
    return "\n".join(lines)


def total(counts: Sequence[Counter[int]]) -> Counter[int]:
    """Add counts up."""
    return sum(counts, Counter[int]())
