"""What a filter says, as a tree, and how a tree is written. Pure.

`written(parsed(text))` is the canonical spelling of a text; `parsed(written(tree))` is the tree again.
Columns (from 1) tell where in the text a part stood; they do not count when trees are compared.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

Operator = Literal["==", "!=", "<", "<=", ">", ">="]
Scalar = str | int | float | bool

RESERVED: Final = frozenset({"and", "or", "not", "in", "is", "contains", "null", "true", "false"})
"""Words that are no names of fields."""


@dataclass(frozen=True, slots=True)
class Name:
    """A field, by its path through nested objects: `signal.confidence`."""

    path: tuple[str, ...]
    column: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class Value:
    """A constant."""

    value: Scalar
    column: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class Holds:
    """A field alone: it is true."""

    name: Name


@dataclass(frozen=True, slots=True)
class Compare:
    """A field against a constant or another field."""

    name: Name
    operator: Operator
    other: Value | Name


@dataclass(frozen=True, slots=True)
class Among:
    """A field is one of some constants."""

    name: Name
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Contains:
    """A text holds a text, or a list holds an item."""

    name: Name
    item: Value


@dataclass(frozen=True, slots=True)
class IsNull:
    """A field is absent or null; `negated`: it is there."""

    name: Name
    negated: bool


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary."""

    operand: "Tree"


@dataclass(frozen=True, slots=True)
class Both:
    """All of these, two or more."""

    operands: tuple["Tree", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one of these, two or more."""

    operands: tuple["Tree", ...]


Test = Holds | Compare | Among | Contains | IsNull
Tree = Test | Not | Both | Either


def written(tree: Tree) -> str:
    """The one spelling of a tree."""
    match tree:
        case Not(operand):
            return "not " + _enclosed(operand, (Both, Either))
        case Both(operands):
            return " and ".join(_enclosed(operand, (Both, Either)) for operand in operands)
        case Either(operands):
            return " or ".join(_enclosed(operand, (Either,)) for operand in operands)
        case test:
            return ".".join(test.name.path) + _tested(test)


def _tested(test: Test) -> str:
    """What is said of the field."""
    match test:
        case Compare(_, operator, Name(path)):
            return f" {operator} {'.'.join(path)}"
        case Compare(_, operator, Value() as value):
            return f" {operator} {_value(value)}"
        case Among(_, values):
            return f" in [{', '.join(map(_value, values))}]"
        case Contains(_, item):
            return f" contains {_value(item)}"
        case IsNull(_, negated):
            return " is not null" if negated else " is null"
    return ""


def _enclosed(tree: Tree, looser: tuple[type, ...]) -> str:
    return f"({written(tree)})" if isinstance(tree, looser) else written(tree)


def _value(value: Value) -> str:
    match value.value:
        case bool(truth):
            return "true" if truth else "false"
        case str(text):
            escaped = text.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}"'
        case number:
            return repr(number)
