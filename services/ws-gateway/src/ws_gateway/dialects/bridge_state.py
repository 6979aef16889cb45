"""The state that the bridge shows: the last message of every path, laid into each other by revision. Pure.

A change at a path sets or removes what stands there, whatever was below. What several messages of one path
made of the state, the last of them makes of it too: so whoever heard everything, and whoever read the last
of every path from the stream, come to the same state. For that a removed path leaves its parents behind as
objects, empty or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from baleen_contracts.catalogue import by_name
from baleen_contracts.tokens import token
from ws_gateway.dialects.timestamps import occurred, stamp
from ws_gateway.event import Event

_ROOT: Final = by_name("bridge_state").pattern.removesuffix(">")


@dataclass(frozen=True, slots=True)
class Update:
    """What one message does to the state; values are shared and must not be changed.

    Attributes:
        revision: its number in the stream.
        path: segments joined by dots.
        value: what stands there now.
        metadata: what the publisher says of it.
        deleted: nothing stands there now.
        updated_at: when it happened, as text.
        size: bytes that it takes in a snapshot, at most.
    """

    revision: int
    path: str
    value: Any
    metadata: Mapping[str, Any]
    deleted: bool
    updated_at: str
    size: int


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
    return Update(
        revision=event.seq,
        path=path,
        value=None if deleted else body.get("value"),
        metadata=dict(body.get("metadata") or {}),
        deleted=deleted,
        updated_at=occurred(body),
        # Both times of the body outweigh what is added; a removed path leaves its parents behind.
        size=2 * len(event.subject) + (0 if deleted else len(event.body)),
    )


def readable(events: Iterable[Event]) -> Iterable[Update]:
    """Return what *events* do; those that cannot be read are left out, as they are everywhere."""
    for event in events:
        try:
            yield read_update(event)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue


class State:
    """What the updates taken so far have made.

    Attributes:
        tree: the values, as objects within objects.
        size: bytes of a snapshot, at most.
    """

    def __init__(self) -> None:
        self.tree: dict[str, Any] = {}
        self.size = 0
        self._told: dict[str, Update] = {}

    def take(self, update: Update) -> None:
        """Do what *update* does, which is newer than all before."""
        *branch, leaf = update.path.split(".")
        node = self.tree
        for segment in branch:
            below = node.get(segment)
            if not isinstance(below, _Branch):
                below = node[segment] = _Branch(below if isinstance(below, dict) else {})
            node = below
        if isinstance(node.get(leaf), _Branch):
            self._forget_below(update.path + ".")
        self._forget(update.path)
        if update.deleted:
            node.pop(leaf, None)
        else:
            node[leaf] = update.value
        self._told[update.path] = update
        self.size += update.size

    def snapshot(self, revision: int, now: datetime) -> bytes:
        """Return the JSON of the `state_snapshot` of *revision*, made at *now*."""
        said = stamp(now)
        version = self.tree.get("_version")
        data = {
            "state": self.tree,
            "metadata": {
                path: {"updated_at": update.updated_at, "version": 1, **update.metadata}
                for path, update in self._told.items()
                if not update.deleted
            },
            "version": version if isinstance(version, int) and not isinstance(version, bool) else 1,
            "snapshot_at": said,
            "revision": revision,
        }
        return orjson.dumps({"type": "state_snapshot", "data": data, "timestamp": said, "revision": revision})

    def _forget_below(self, start: str) -> None:
        """What was said of paths below goes with them."""
        for path in [path for path in self._told if path.startswith(start)]:
            self._forget(path)

    def _forget(self, path: str) -> None:
        told = self._told.pop(path, None)
        if told is not None:
            self.size -= told.size
