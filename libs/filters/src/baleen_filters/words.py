"""Cuts the text of a filter into words. Pure.

A tokenizer and parser of our own instead of Python's `ast`: Python's grammar has no `contains` and no `is not
null`, reads far more than we would ever allow, and its complaints speak of Python.
"""

import math
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from baleen_filters.errors import FilterFlawed, shown
from baleen_filters.tree import RESERVED, Scalar


class Kind(StrEnum):
    """The kinds of word."""

    NAME = "name"
    KEYWORD = "keyword"
    NUMBER = "number"
    TEXT = "text"
    SIGN = "sign"
    END = "end"


class Word(NamedTuple):
    """A word.

    Attributes:
        kind: what it is.
        text: as it was written, quotes included.
        column: where it begins, from 1.
        value: what a number, a text, `true` or `false` stands for.
    """

    kind: Kind
    text: str
    column: int
    value: Scalar | None = None

    @property
    def found(self) -> str:
        """How a message calls it."""
        if self.kind is Kind.END:
            return "the end"
        return shown(self.text)[1:-1] if self.kind is Kind.TEXT else shown(self.text)


_WORD: Final = re.compile(
    r"""(?P<blank>[ \t\r\n]+)
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)
      | (?P<number>-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
      | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<sign>==|!=|<=|>=|<(?!>)|>|[()\[\],])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED: Final = frozenset("\\\"'")
_RUN_ON: Final = re.compile(r"[A-Za-z0-9_.]")
_INSTEAD: Final = {"=": "==", "&&": "and", "||": "or", "&": "and", "|": "or", "!": "not", "<>": "!="}
_TRUTHS: Final = {"true": True, "false": False}


def words(text: str) -> Iterator[Word]:
    """The words of *text*, and an end.

    Raises:
        FilterFlawed: a character that belongs to no word, a text without end, a number beyond all numbers.
    """
    place = 0
    while place < len(text):
        match = _WORD.match(text, place)
        if match is None:
            raise _no_word(text, place)
        place = match.end()
        if match.lastgroup != "blank":
            yield _word(match, text)
    yield Word(Kind.END, "", len(text) + 1)


def _word(match: re.Match[str], text: str) -> Word:
    spelt, column = match[0], match.start() + 1
    match match.lastgroup:
        case "name":
            kind = Kind.KEYWORD if spelt in RESERVED else Kind.NAME
            return Word(kind, spelt, column, _TRUTHS.get(spelt))
        case "number":
            if _RUN_ON.match(text, match.end()):
                raise FilterFlawed(column, f"{shown(text[match.start() : match.end() + 1])} is no number")
            return Word(Kind.NUMBER, spelt, column, _number(spelt, column))
        case "text":
            return Word(Kind.TEXT, spelt, column, _unquoted(spelt, column))
    return Word(Kind.SIGN, spelt, column)


def _number(spelt: str, column: int) -> int | float:
    if not math.isfinite(float(spelt)):
        raise FilterFlawed(column, f"{shown(spelt)} is larger than any number here")
    return int(spelt) if spelt.lstrip("-").isdigit() else float(spelt)


def _unquoted(spelt: str, column: int) -> str:
    """What stands between the quotes. Nothing that does not print: operators read filters."""
    inside = spelt[1:-1]
    for at, character in enumerate(inside):
        if not character.isprintable():
            raise FilterFlawed(column + 1 + at, f"{shown(character)} cannot stand in a text")
    for escape in _ESCAPE.finditer(inside):
        if escape[1] not in _ESCAPED:
            place = column + 1 + escape.start()
            raise FilterFlawed(place, f"expected a quote or a backslash, found {shown(escape[1])}")
    return _ESCAPE.sub(r"\1", inside)


def _no_word(text: str, place: int) -> FilterFlawed:
    if text[place] in "\"'":
        return FilterFlawed(place + 1, f"this text never ends: {shown(text[place:])}")
    for length in (2, 1):
        said = text[place : place + length]
        if said in _INSTEAD:
            return FilterFlawed(place + 1, f'there is no {shown(said)}: write "{_INSTEAD[said]}"')
    return FilterFlawed(place + 1, f"{shown(text[place])} cannot stand here")
