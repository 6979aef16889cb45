"""The state that the bridge shows: the last message of every path, laid into each other by revision. Pure.

A change at a path sets or removes what stands there, whatever was below. What several messages of one path
made of the state, the last of them makes of it too: so whoever heard everything, and whoever read the last
of every path from the stream, come to the same state. For that a removed path leaves its parents behind as
objects, empty or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from baleen_contracts.catalogue import by_name
from baleen_contracts.tokens import token
from ws_gateway.dialects.timestamps import occurred, stamp
from ws_gateway.event import Event

MAX_SNAPSHOT_BYTES: Final = 1_000_000
"""Clients in Python take no frame above 1 MiB unless told to: what is more comes as updates behind it."""
_ROOT: Final = by_name("bridge_state").pattern.removesuffix(">")
_PER_PATH: Final = 120
"""Bytes of a path's own metadata, generously."""


@dataclass(frozen=True)
class Update:
    """What one message does to the state; values are shared and must not be changed.

    Attributes:
        revision: its number in the stream.
        path: segments joined by dots.
        value: what stands there now.
        metadata: what the publisher says of it.
        deleted: nothing stands there now.
        updated_at: when it happened, as text.
    """

    revision: int
    path: str
    value: Any
    metadata: Mapping[str, Any]
    deleted: bool
    updated_at: str


class _Branch(dict[str, Any]):
    """An object of the state that is ours to change; those within values are everybody's."""


def read_update(event: Event) -> Update:
    """Return what a message of the state does.

    Raises:
        ValueError, KeyError, TypeError: it is no contract message, or of another path than its subject says.
    """
    body = event.data
    path: str = body["path"]
    if event.subject != _ROOT + ".".join(map(token, path.split("."))):
        raise ValueError("the path is another than the subject's")
    deleted = body.get("deleted") is True
    value = None if deleted else body.get("value")
    return Update(event.seq, path, value, dict(body.get("metadata") or {}), deleted, occurred(body))


def lay(state: dict[str, Any], update: Update) -> None:
    """Do to *state*, made of earlier updates by this function alone, what *update* does."""
    *branch, leaf = update.path.split(".")
    node = state
    for segment in branch:
        below = node.get(segment)
        if not isinstance(below, _Branch):
            below = node[segment] = _Branch(below if isinstance(below, dict) else {})
        node = below
    if update.deleted:
        node.pop(leaf, None)
    else:
        node[leaf] = update.value


@dataclass(frozen=True)
class Snapshot:
    """The state at a revision, and what leads on from there to the present.

    Attributes:
        text: the JSON of the `state_snapshot`.
        rest: later messages of the state, by revision, that did not fit into it.
    """

    text: bytes
    rest: tuple[Event, ...]


def make_snapshot(
    events: Iterable[Event], revision: int, now: datetime, *, limit: int = MAX_SNAPSHOT_BYTES
) -> Snapshot:
    """Return the state made of *events*, the last message of every path, as of *revision*.

    Messages that cannot be read are left out, as they are everywhere.

    Args:
        events: in any order.
        revision: of the newest message of the stream that is known.
        now: the time of the snapshot.
        limit: bytes; the oldest changes that fit are in the snapshot, at least one.
    """
    updates = sorted(_readable(events), key=lambda pair: pair[0].revision)
    fitting = _fitting([event for _, event in updates], limit)
    told = [update for update, _ in updates[:fitting]]
    rest = tuple(event for _, event in updates[fitting:])
    if rest:
        revision = told[-1].revision
    state: dict[str, Any] = {}
    for update in told:
        lay(state, update)
    return Snapshot(_text(state, _metadata(told), revision, stamp(now)), rest)


def _readable(events: Iterable[Event]) -> Iterable[tuple[Update, Event]]:
    for event in events:
        try:
            yield read_update(event), event
        except (ValueError, KeyError, TypeError, AttributeError):
            continue


def _fitting(events: Sequence[Event], limit: int) -> int:
    """Return how many of *events* a snapshot of *limit* bytes holds, judged by how they travelled."""
    size = 0
    for count, event in enumerate(events):
        size += len(event.body) + len(event.subject) + _PER_PATH
        if size > limit and count:
            return count
    return len(events)


def _metadata(updates: Sequence[Update]) -> dict[str, dict[str, Any]]:
    """Return what is said of every path that stands; a parent that was set or removed later took it along."""
    revisions = {update.path: update.revision for update in updates}
    found = {}
    for update in updates:
        if update.deleted or any(revisions.get(path, 0) > update.revision for path in _parents(update.path)):
            continue
        found[update.path] = {"updated_at": update.updated_at, "version": 1, **update.metadata}
    return found


def _parents(path: str) -> Iterable[str]:
    place = path.rfind(".")
    while place > 0:
        yield path[:place]
        place = path.rfind(".", 0, place)


def _text(state: Mapping[str, Any], metadata: Mapping[str, Any], revision: int, now: str) -> bytes:
    version = state.get("_version")
    data = {
        "state": state,
        "metadata": metadata,
        "version": version if isinstance(version, int) and not isinstance(version, bool) else 1,
        "snapshot_at": now,
        "revision": revision,
    }
    return orjson.dumps({"type": "state_snapshot", "data": data, "timestamp": now, "revision": revision})
