"""Up to where a client that is behind was told some topics already, so that it is not told twice. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from ws_gateway.bus.past import StreamPast
from ws_gateway.native.owed import Floors, Owed


class Told:
    """What was told out of turn: a topic subscribed to anew while older messages of others still wait."""

    __slots__ = ("_upto",)

    def __init__(self) -> None:
        self._upto: dict[tuple[str, str], tuple[int, int]] = {}

    def note(self, parts: Iterable[Owed], topics: Collection[str]) -> None:
        """Note that *parts* are told; of all that was noted only what is of *topics* is kept."""
        self._upto = {key: place for key, place in self._upto.items() if key[0] in topics}
        for part in parts:
            place = part.stream.tail.heard, part.stream.losses
            self._upto |= {(topic, part.stream.name): place for topic in part.topics}

    def clear(self) -> None:
        """Forget everything, because nothing waits any more."""
        self._upto.clear()

    def floors(self, streams: Mapping[str, StreamPast]) -> Floors:
        """Return what still holds: the numbers of a stream that was lost since may mean other messages."""
        held = self._upto.items()
        return {key: seq for key, (seq, losses) in held if streams[key[1]].losses == losses}
