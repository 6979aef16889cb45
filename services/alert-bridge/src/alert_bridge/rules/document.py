"""From the text of a YAML file to plain data, with the line of everything in it. Pure.

Every plain value is the text that stands there, and nothing else: no ticker becomes a truth (``ON``), no time
of day a number of minutes (``22:00``). What a text means is said by the field that it stands in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

MAX_BYTES: Final = 256 * 1024
_MAX_VALUES: Final = 20_000
"""Values in a file, those behind aliases counted each time, so that few lines cannot stand for billions."""
_MAX_DEPTH: Final = 20

_NOTHING: Final = frozenset({"", "~", "null", "Null", "NULL"})
_PLAIN_TAGS: Final = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "map", "seq"))
_QUOTED: Final = re.compile(r"'([^']*)'")
_SIGN: Final = 2
"""Characters of what YAML calls by its sign; anything longer is of the file."""

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something wrong, and where. The sentence never holds what a destination's fields say."""

    place: Place
    line: int
    sentence: str

    def said(self, name: str) -> str:
        """The flaw as a person reads it, in the file of that *name*."""
        where = path_of(self.place)
        return (
            f"{name}:{self.line}: {where}: {self.sentence}"
            if where
            else f"{name}:{self.line}: {self.sentence}"
        )


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says: objects, lists, texts and None.

    Attributes:
        data: the whole.
        lines: the line on which each value begins, counted from 1; that of the key where it has one.
        flaws: what is wrong with the writing; the data lacks it.
    """

    data: Any
    lines: dict[Place, int] = field(default_factory=dict)
    flaws: tuple[Flaw, ...] = ()

    def line_of(self, place: Place) -> int:
        """The line of a place, or of what holds it if there is no such place."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read_document(text: str) -> Document:
    """The data of a YAML text; never raises."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return Document(None, {}, (Flaw((), 1, f"the file is larger than {MAX_BYTES // 1024} KiB"),))
    try:
        node = yaml.compose(text, Loader=_Loader)
        reading = _Reading()
        data = reading.value(node, (), 0) if node is not None else None
    except yaml.MarkedYAMLError as error:
        return Document(None, {}, (_misspelt(error, text),))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return Document(None, {}, (Flaw((), line, "holds a character that YAML does not allow"),))
    except _TooMuch as error:
        return Document(None, {}, (Flaw((), error.line, str(error)),))
    return Document(data, reading.lines, tuple(reading.flaws))


def path_of(place: Place) -> str:
    """A place as people write it: ``routes[2].quiet.zone``."""
    written = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return written.removeprefix(".")


class _TooMuch(Exception):  # noqa: N818 - never leaves this module
    """Ends the reading of a file that stands for more than it should."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(sentence)
        self.line = line


class _Loader(yaml.BaseLoader):
    """Composes nodes, and stops before they are so deep that the machine would."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """One node with all that is in it."""
        if self._depth > _MAX_DEPTH:
            mark = self.get_mark()
            raise _TooMuch(mark.line + 1, f"is nested deeper than {_MAX_DEPTH} levels")
        self._depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Reading:
    """Walks the nodes of one file."""

    def __init__(self) -> None:
        self.lines: dict[Place, int] = {}
        self.flaws: list[Flaw] = []
        self._values = 0

    def value(self, node: yaml.Node, place: Place, depth: int) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(place, line)
        self._values += 1
        if self._values > _MAX_VALUES:
            raise _TooMuch(line, f"stands for more than {_MAX_VALUES} values, aliases counted each time")
        if depth > _MAX_DEPTH:
            raise _TooMuch(line, f"is nested deeper than {_MAX_DEPTH} levels")
        if node.tag not in _PLAIN_TAGS:
            self._flaw(place, line, "tags, which begin with an exclamation mark, are not used here")
            return None
        if isinstance(node, yaml.MappingNode):
            return {
                key: self.value(found, (*place, key), depth + 1) for key, found in self._pairs(node, place)
            }
        if isinstance(node, yaml.SequenceNode):
            return [self.value(one, (*place, at), depth + 1) for at, one in enumerate(node.value)]
        return None if _is_plain(node) and node.value in _NOTHING else node.value

    def _pairs(self, node: yaml.MappingNode, place: Place) -> Iterator[tuple[str, yaml.Node]]:
        first: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                self._flaw(place, line, "a key is one word, no list and no object")
            elif key.value == "<<":
                self._flaw(place, line, "merging by << is not done here: repeat the keys")
            elif key.value in first:
                self._flaw((*place, key.value), line, f"given twice, first in line {first[key.value]}")
            else:
                first[key.value] = self.lines[*place, key.value] = line
                yield key.value, value

    def _flaw(self, place: Place, line: int, sentence: str) -> None:
        self.flaws.append(Flaw(place, line, sentence))


def _is_plain(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None


def _misspelt(error: yaml.MarkedYAMLError, text: str) -> Flaw:
    """What YAML says of a text that is none, without what it quotes of it: that could be a secret."""
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark is not None else 1
    said = _QUOTED.sub(_unless_longer, error.problem or "is no YAML")
    lines = text.splitlines()
    written = lines[line - 1] if line <= len(lines) else ""
    hint = '; inside braces, quote what holds a variable: "${NAME}"' if "${" in written else ""
    return Flaw((), line, said + hint)


def _unless_longer(quoted: re.Match[str]) -> str:
    return quoted[0] if len(quoted[1]) <= _SIGN or quoted[1].startswith("<") else "something"
