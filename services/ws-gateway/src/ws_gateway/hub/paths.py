"""The way from a subject to what was found for it once, until something changes on that way. Pure.

A change of one topic forgets the subjects which that topic means and no others, at a cost that was paid when
they were found: whoever joins or leaves one kind of message slows down no other kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from ws_gateway.topics import ONE, REST, is_wild

MAX_PATHS = 65_536

T = TypeVar("T")


class Paths(Generic[T]):
    """What was found per subject; at most `MAX_PATHS` subjects are remembered."""

    __slots__ = ("_found", "_root", "get")

    def __init__(self) -> None:
        self._found: dict[str, T] = {}
        self.get: Callable[[str], T | None] = self._found.get
        """Returns what was found for a subject, None if it must be looked up; asked for every message."""
        self._root = _Place()

    def __len__(self) -> int:
        return len(self._found)

    def put(self, subject: str, found: T) -> None:
        """Remember what was found; when too much is remembered, all else is forgotten."""
        if len(self._found) >= MAX_PATHS:
            self._found.clear()
            self._root = _Place()
        self._found[subject] = found
        place = self._root
        for token in subject.split("."):
            place = place.children.get(token) or place.children.setdefault(token, _Place())
        place.subject = subject

    def forget(self, topic: str) -> None:
        """Forget every subject that *topic* means."""
        if not is_wild(topic) and topic not in self._found:
            return
        meant: list[str] = []
        self._root.give_up(topic.split("."), 0, meant)
        for subject in meant:
            del self._found[subject]


class _Place:
    """One token's place in the tree of remembered subjects."""

    __slots__ = ("children", "subject")

    def __init__(self) -> None:
        self.children: dict[str, _Place] = {}
        self.subject: str | None = None

    def give_up(self, tokens: list[str], place: int, meant: list[str]) -> None:
        """Move the subjects that *tokens* from *place* on mean to *meant*, with every place left empty."""
        if place == len(tokens):
            if self.subject is not None:
                meant.append(self.subject)
                self.subject = None
            return
        token = tokens[place]
        if token == REST:
            for child in self.children.values():
                child.tell(meant)
            self.children.clear()
            return
        ways = tuple(self.children) if token == ONE else (token,) if token in self.children else ()
        for way in ways:
            child = self.children[way]
            child.give_up(tokens, place + 1, meant)
            if not child.children and child.subject is None:
                del self.children[way]

    def tell(self, meant: list[str]) -> None:
        """Add every subject from here on to *meant*."""
        if self.subject is not None:
            meant.append(self.subject)
        for child in self.children.values():
            child.tell(meant)
