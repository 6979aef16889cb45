"""Topics: public subjects and NATS wildcards over them (`*` one token, `>` one or more at the end). Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Generic, TypeVar

ONE, REST = "*", ">"
MAX_TOPIC_LENGTH = 512

T = TypeVar("T")


def flaw_of(topic: str) -> str | None:
    """Return what is wrong with *topic*, or None if it may be subscribed to."""
    tokens = topic.split(".")
    flaws = {
        f"a topic has 1 to {MAX_TOPIC_LENGTH} characters": not 0 < len(topic) <= MAX_TOPIC_LENGTH,
        "a topic has no spaces or control characters": " " in topic or not topic.isprintable(),
        "a topic has no empty token": "" in tokens,
        "'>' stands only at the end": REST in tokens[:-1],
        "a wildcard is a whole token": any(is_wild(token) and len(token) > 1 for token in tokens),
    }
    return next((flaw for flaw, found in flaws.items() if found), None)


def is_wild(topic: str) -> bool:
    """Return whether *topic* is a pattern rather than one subject."""
    return ONE in topic or REST in topic


def matches(topic: str, subject: str) -> bool:
    """Return whether *subject* is one that *topic* means."""
    if not is_wild(topic):
        return topic == subject
    wanted, tokens = topic.split("."), subject.split(".")
    for place, token in enumerate(wanted):
        if token == REST:
            return len(tokens) > place
        if place >= len(tokens) or token not in (ONE, tokens[place]):
            return False
    return len(tokens) == len(wanted)


def meet(topic: str, other: str) -> str | None:
    """Return the topic of the subjects that are meant by both *topic* and *other*, None if there are none."""
    left, right = topic.split("."), other.split(".")
    common: list[str] = []
    for place, (one, two) in enumerate(zip(left, right, strict=False)):
        if one == REST:
            return ".".join([*common, *right[place:]])
        if two == REST:
            return ".".join([*common, *left[place:]])
        if one != two and ONE not in (one, two):
            return None
        common.append(two if one == ONE else one)
    return ".".join(common) if len(left) == len(right) else None


def overlap(topic: str, other: str) -> bool:
    """Return whether some subject is meant by both *topic* and *other*."""
    return meet(topic, other) is not None


def cover(topics: Collection[str]) -> str:
    """Return the narrowest `a.b.>` that means all that *topics* mean; a topic alone is its own."""
    if len(topics) == 1:
        return next(iter(topics))
    common: list[str] = []
    for tokens in zip(*(topic.split(".")[:-1] for topic in topics), strict=False):
        if len(set(tokens)) > 1:
            break
        common.append(tokens[0])
    return ".".join([*common, REST])


class TopicTree(Generic[T]):
    """Who wants what: finds the values of all matching topics in steps that do not grow with their number."""

    def __init__(self) -> None:
        self._exact: dict[str, set[T]] = {}
        self._root: _Node[T] = _Node()

    def add(self, topic: str, value: T) -> None:
        """Note that *value* wants *topic*."""
        if is_wild(topic):
            self._root.reach(topic.split(".")).add(value)
        else:
            self._exact.setdefault(topic, set()).add(value)

    def remove(self, topic: str, value: T) -> None:
        """Forget that *value* wants *topic*."""
        if is_wild(topic):
            self._root.prune(topic.split("."), value)
            return
        values = self._exact.get(topic)
        if values is not None:
            values.discard(value)
            if not values:
                del self._exact[topic]

    def match(self, subject: str) -> set[T]:
        """Return the values that want *subject*, each once however many of its topics match."""
        found = set(self._exact.get(subject, ()))
        for values in self._root.walk(subject.split("."), 0):
            found |= values
        return found

    def means(self, subject: str) -> bool:
        """Return whether anybody wants *subject*."""
        return subject in self._exact or any(self._root.walk(subject.split("."), 0))

    def __bool__(self) -> bool:
        return bool(self._exact) or not self._root.empty


class _Node(Generic[T]):
    """One token's place in the tree of wildcards."""

    __slots__ = ("children", "values")

    def __init__(self) -> None:
        self.children: dict[str, _Node[T]] = {}
        self.values: set[T] = set()

    @property
    def empty(self) -> bool:
        return not self.children and not self.values

    def reach(self, tokens: list[str]) -> set[T]:
        """Return the values at *tokens*, making the way there."""
        node = self
        for token in tokens:
            node = node.children.setdefault(token, _Node())
        return node.values

    def prune(self, tokens: list[str], value: T) -> None:
        """Remove *value* at *tokens* and every node that then holds nothing."""
        if not tokens:
            self.values.discard(value)
            return
        child = self.children.get(tokens[0])
        if child is not None:
            child.prune(tokens[1:], value)
            if child.empty:
                del self.children[tokens[0]]

    def walk(self, tokens: list[str], place: int) -> Iterator[set[T]]:
        """Yield the values of every topic that means *tokens* from *place* on."""
        if place == len(tokens):
            yield self.values
            return
        rest = self.children.get(REST)
        if rest is not None:
            yield rest.values
        for token in (tokens[place], ONE):
            child = self.children.get(token)
            if child is not None:
                yield from child.walk(tokens, place + 1)
