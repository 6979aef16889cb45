"""The subjects of one kind of message, found by patterns without a look at each of them. Pure.

Subjects that differ in their last token alone stand together: of a ticker's hundred strikes, or of none of
them, one look decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ws_gateway.topics import ONE, TopicTree


class Subjects:
    """Subjects of one pattern without `>`."""

    def __init__(self) -> None:
        """Know none."""
        self._families: dict[str, dict[str, str]] = {}

    def add(self, subject: str) -> None:
        """Know *subject*."""
        family, _, last = subject.rpartition(".")
        self._families.setdefault(family, {})[last] = subject

    def remove(self, subject: str) -> None:
        """Forget *subject*."""
        family, _, last = subject.rpartition(".")
        members = self._families[family]
        del members[last]
        if not members:
            del self._families[family]

    def meant(self, topics: Iterable[str]) -> Iterator[str]:
        """Yield, each once, the subjects that any of *topics* means, of which none holds `>`."""
        lasts: TopicTree[str] = TopicTree()
        for topic in topics:
            family, _, last = topic.rpartition(".")
            lasts.add(family, last)
        for family, members in self._families.items():
            wanted = lasts.match(family)
            if ONE in wanted:
                yield from members.values()
            elif wanted:
                yield from (members[last] for last in wanted if last in members)
