"""What of the bus clients may ask for: the catalogue's streams but the operators' own. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from baleen_contracts.catalogue import CATALOGUE, Entity, entity_of
from ws_gateway.topics import is_wild, overlap

_UNHEARD: Final = ("DEAD",)


def heard_streams() -> dict[str, tuple[Entity, ...]]:
    """Return the streams that clients may ask for, each with what it stores."""
    found: dict[str, tuple[Entity, ...]] = {}
    for entity in CATALOGUE:
        if entity.stream is not None and entity.stream not in _UNHEARD:
            found[entity.stream] = (*found.get(entity.stream, ()), entity)
    return found


_STREAMS: Final = {
    name: tuple(entity.pattern for entity in entities) for name, entities in heard_streams().items()
}


def streams_of(topics: Collection[str]) -> frozenset[str]:
    """Return the streams that hold messages of *topics*."""
    entities = (entity_of(topic) for topic in topics if not is_wild(topic))
    found = {entity.stream for entity in entities if entity is not None}
    wild = [topic for topic in topics if is_wild(topic)]
    for stream, patterns in _STREAMS.items():
        if stream in found or any(overlap(topic, pattern) for topic in wild for pattern in patterns):
            found.add(stream)
    return frozenset(stream for stream in found if stream in _STREAMS)


_PATTERNS: Final = tuple(entity.pattern for stored in heard_streams().values() for entity in stored)
MAX_TOKENS: Final = 1 + max(len(pattern.split(".")) for pattern in _PATTERNS)
"""Tokens of a topic; one more than the longest subject has, for what is added later."""


def why_unheard(topic: str) -> str | None:
    """Return why nothing can ever arrive for *topic*, which has no flaw; None if something may.

    A single subject is taken at its word, so that a client may ask for what is added later.
    """
    if topic.count(".") >= MAX_TOKENS:
        return f"a topic has at most {MAX_TOKENS} tokens"
    if is_wild(topic) and not any(overlap(topic, pattern) for pattern in _PATTERNS):
        return "no subject of the catalogue matches this pattern"
    return None
