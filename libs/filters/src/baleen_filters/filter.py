"""The filter itself, and how one is had. Pure, but for remembering what was compiled."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from weakref import WeakValueDictionary

from baleen_filters.code import Matches, function_of
from baleen_filters.errors import FilterFlawed
from baleen_filters.fields import FieldType
from baleen_filters.meaning import type_of
from baleen_filters.parser import MAX_LENGTH, parsed
from baleen_filters.tree import Both, Compare, Either, Name, Not, Tree, written

_REMEMBERED: Final = 1_024
"""Filters that are kept though nobody uses them."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Filter:
    """Which messages are wanted. Two of one canonical text over fields of the same types are one object.

    Attributes:
        text: its canonical spelling; for people, since it may be longer than what may be asked for.
        fields: the fields it looks at, as paths (`signal.confidence`).
        matches: tells whether the JSON object of a message is wanted. Never raises: a test of a field that is
            absent, null or of another type than the contract says is false, whichever test it is
            (`!=` too; `is null` excepted).
    """

    text: str
    fields: frozenset[str]
    matches: Matches = field(repr=False)


_in_use: WeakValueDictionary[tuple[object, ...], Filter] = WeakValueDictionary()


def compile_filter(text: str, fields: Mapping[str, FieldType]) -> Filter:
    """The filter that *text* says over *fields*; the same one for the same text, whoever asks.

    Raises:
        FilterFlawed: the text is no filter, or goes beyond a limit; the message tells people what and where.
    """
    if len(text) > MAX_LENGTH:
        raise FilterFlawed(MAX_LENGTH + 1, f"longer than {MAX_LENGTH} characters")
    return _remembered(text, _one_copy(frozenset(fields.items())))


@lru_cache(maxsize=_REMEMBERED)
def _remembered(text: str, fields: frozenset[tuple[str, FieldType]]) -> Filter:
    types = dict(fields)
    tree = parsed(text)
    matches = function_of(tree, types)
    names = _names(tree)
    canonical = written(tree)
    # Spellings, and sets of topics, may differ; what is evaluated is the same, so it is shared.
    key = (canonical, *sorted((".".join(name.path), type_of(name, types)) for name in names))
    found = _in_use.get(key)
    if found is None:
        found = Filter(canonical, frozenset(".".join(name.path) for name in names), matches)
        _in_use[key] = found
    return found


@lru_cache(maxsize=64)
def _one_copy(fields: frozenset[tuple[str, FieldType]]) -> frozenset[tuple[str, FieldType]]:
    """The first of equal sets, so that what is remembered does not hold each its own."""
    return fields


def _names(tree: Tree) -> set[Name]:
    match tree:
        case Not(operand):
            return _names(operand)
        case Both(operands) | Either(operands):
            return set().union(*map(_names, operands))
        case Compare(name, _, Name() as other):
            return {name, other}
        case test:
            return {test.name}
