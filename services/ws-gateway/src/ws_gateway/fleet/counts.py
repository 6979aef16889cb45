"""What each worker counts of its clients, how it is told, and what all of them make together. Pure.

A worker is one process of a gateway; a gateway has one or several, on one or several machines. Each tells
its counts about once a second, and whoever is asked adds up what was told last: exact for its own clients,
about a second old for the others'.

What is told is bounded. The labels with most connections are told by name, the rest together as `OTHER`; of
the holders of connections (an address, a subject) those with most. So a holder that a worker does not tell
has there at most as many connections as the last of `MAX_HOLDERS` that it tells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

import orjson

OTHER: Final = "other"
"""The label of connections whose own is not told."""
MAX_LABELS: Final = 400
LONGEST_LABEL: Final = 100
"""Bytes of a label that is told by name."""
MAX_HOLDERS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Counts:
    """What one worker counts.

    Attributes:
        worker: its name, new whenever it starts.
        host: the machine it runs on.
        since: when it started, in Unix seconds.
        by_label: connections now, by the name they are counted under.
        held: connections now, by holder, each as `holder` writes it.
        connects: connections so far.
        disconnects: of which have ended.
        messages: frames delivered.
    """

    worker: str
    host: str
    since: float
    by_label: Mapping[str, int] = field(default_factory=dict)
    held: Mapping[str, int] = field(default_factory=dict)
    connects: int = 0
    disconnects: int = 0
    messages: int = 0

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return sum(self.by_label.values())


@dataclass(frozen=True, slots=True)
class Totals:
    """What all workers count together. `since`: when the oldest that lives started; None without any."""

    workers: int
    since: float | None
    by_label: Mapping[str, int]
    connects: int
    disconnects: int
    messages: int

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return sum(self.by_label.values())


def holder(name: str) -> str:
    """Write who holds connections, such as an address, shortly: for length, not for secrecy."""
    return blake2b(name.encode(errors="surrogatepass"), digest_size=8).hexdigest()


def heaviest(held: Mapping[str, int]) -> dict[str, int]:
    """Return the holders that are told: those with most connections."""
    return _most(held, MAX_HOLDERS)


def together(all_counts: Iterable[Counts]) -> Totals:
    """Add up what the workers count; the order does not matter."""
    known = list(all_counts)
    by_label: Counter[str] = Counter()
    for counts in known:
        by_label.update(counts.by_label)
    return Totals(
        workers=len(known),
        since=min((counts.since for counts in known), default=None),
        by_label={label: by_label[label] for label in sorted(by_label) if by_label[label]},
        connects=sum(counts.connects for counts in known),
        disconnects=sum(counts.disconnects for counts in known),
        messages=sum(counts.messages for counts in known),
    )


def tell(counts: Counts) -> bytes:
    """Write what one worker counts as it travels, within the bounds."""
    by_label = {label: count for label, count in counts.by_label.items() if _is_short(label)}
    by_label = _most(by_label, MAX_LABELS)
    rest = counts.connections - sum(by_label.values())
    if rest:
        by_label[OTHER] = by_label.get(OTHER, 0) + rest
    said = {
        "worker": counts.worker,
        "host": counts.host,
        "since": counts.since,
        "by_label": by_label,
        "held": heaviest(counts.held),
        "connects": counts.connects,
        "disconnects": counts.disconnects,
        "messages": counts.messages,
    }
    return orjson.dumps(said)


def read(value: bytes) -> Counts:
    """Read what a worker told.

    Raises:
        ValueError: no worker wrote this, or one of another version.
    """
    try:
        said: dict[str, Any] = orjson.loads(value)
        return Counts(
            worker=str(said["worker"]),
            host=str(said["host"]),
            since=float(said["since"]),
            by_label=_counted(said["by_label"]),
            held=_counted(said["held"]),
            connects=int(said["connects"]),
            disconnects=int(said["disconnects"]),
            messages=int(said["messages"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"no worker wrote this: {type(error).__name__}") from error


def _most(counts: Mapping[str, int], most: int) -> dict[str, int]:
    if len(counts) <= most:
        return dict(counts)
    kept = sorted(counts, key=lambda name: (-counts[name], name))[:most]
    return {name: counts[name] for name in kept}


def _is_short(label: str) -> bool:
    return len(label.encode(errors="replace")) <= LONGEST_LABEL and label.isprintable()


def _counted(said: dict[str, Any]) -> dict[str, int]:
    return {str(name): int(count) for name, count in said.items()}
