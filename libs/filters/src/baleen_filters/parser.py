"""Reads a tree from the text of a filter, by recursive descent. Pure.

    either   both { "or" both }
    both     unary { "and" unary }
    unary    "not" unary | "(" either ")" | test
    test     name [ operator ( value | name ) | "in" list | "contains" value | "is" [ "not" ] "null" ]
    list     "[" value { "," value } "]"
    value    number | text | "true" | "false"          `== null` and `!= null` are `is null` and `is not null`

Recursion goes no deeper than `MAX_DEPTH`, here and in whatever walks the tree.
"""

from typing import Final, cast

from baleen_filters.errors import FilterFlawed, shown
from baleen_filters.tree import (
    Among,
    Both,
    Compare,
    Contains,
    Either,
    Holds,
    IsNull,
    Name,
    Not,
    Operator,
    Test,
    Tree,
    Value,
)
from baleen_filters.words import Kind, Word, words

MAX_LENGTH: Final = 1_000
"""Characters of a text."""
MAX_DEPTH: Final = 16
"""Levels of parentheses and negations."""
MAX_TERMS: Final = 32
"""Tests of fields."""
MAX_LIST: Final = 100
"""Values of one list."""
MAX_PATH: Final = 8
"""Names joined by dots."""

_OPERATORS: Final = frozenset({"==", "!=", "<", "<=", ">", ">="})
_AFTER_A_NAME: Final = "expected ==, !=, <, <=, >, >=, in, contains, is, and, or, or the end"


def parsed(text: str) -> Tree:
    """The tree of *text*.

    Raises:
        FilterFlawed: it is no filter, or goes beyond one of the limits.
    """
    return _Parser(list(words(text))).whole()


class _Parser:
    def __init__(self, said: list[Word]) -> None:
        self._said = said
        self._place = 0
        self._terms = 0

    def whole(self) -> Tree:
        if len(self._said) == 1:
            raise FilterFlawed(1, "a filter cannot be empty")
        tree = self._either(0)
        if self._next.kind is not Kind.END:
            after = self._said[self._place - 1]
            bare = after.kind is Kind.NAME
            raise self._expected(_AFTER_A_NAME if bare else 'expected "and", "or" or the end')
        return tree

    @property
    def _next(self) -> Word:
        return self._said[self._place]

    def _take(self) -> Word:
        word = self._next
        self._place += 1
        return word

    def _took(self, text: str) -> bool:
        """Take the next word if it is the keyword or sign *text*."""
        word = self._next
        if word.text != text or word.kind not in {Kind.KEYWORD, Kind.SIGN}:
            return False
        self._place += 1
        return True

    def _expected(self, what: str) -> FilterFlawed:
        return FilterFlawed(self._next.column, f"{what}, found {self._next.found}")

    def _either(self, depth: int) -> Tree:
        operands = [self._both(depth)]
        while self._took("or"):
            operands.append(self._both(depth))
        return operands[0] if len(operands) == 1 else Either(tuple(operands))

    def _both(self, depth: int) -> Tree:
        operands = [self._unary(depth)]
        while self._took("and"):
            operands.append(self._unary(depth))
        return operands[0] if len(operands) == 1 else Both(tuple(operands))

    def _unary(self, depth: int) -> Tree:
        if depth > MAX_DEPTH:
            raise FilterFlawed(self._next.column, f"nested deeper than {MAX_DEPTH} levels")
        if self._took("not"):
            return Not(self._unary(depth + 1))
        if self._took("("):
            tree = self._either(depth + 1)
            if not self._took(")"):
                raise self._expected('expected "and", "or" or ")"')
            return tree
        return self._test()

    def _test(self) -> Test:
        if self._next.kind is not Kind.NAME:
            raise self._expected('expected a field, "not" or "("')
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise FilterFlawed(self._next.column, f"more than {MAX_TERMS} comparisons")
        name = self._name()
        if self._next.text in _OPERATORS:
            return self._comparison(name)
        if self._took("in"):
            return Among(name, self._list())
        if self._took("contains"):
            return Contains(name, self._value("expected a value"))
        if self._took("is"):
            negated = self._took("not")
            if not self._took("null"):
                raise self._expected('expected "null"' if negated else 'expected "null" or "not null"')
            return IsNull(name, negated)
        if self._next.text == "not":
            raise FilterFlawed(
                self._next.column,
                f'"not" stands before the comparison, as in: not {shown(name.path[-1])[1:-1]} in ["a", "b"]',
            )
        return Holds(name)

    def _name(self) -> Name:
        word = self._take()
        path = tuple(word.text.split("."))
        if len(path) > MAX_PATH:
            raise FilterFlawed(word.column, f"more than {MAX_PATH} names joined by dots")
        return Name(path, word.column)

    def _comparison(self, name: Name) -> Test:
        operator = cast("Operator", self._take().text)
        if self._next.text == "null":
            if operator not in {"==", "!="}:
                raise FilterFlawed(self._next.column, 'null has no order: write "is null" or "is not null"')
            self._take()
            return IsNull(name, operator == "!=")
        if self._next.kind is Kind.NAME:
            return Compare(name, operator, self._name())
        return Compare(name, operator, self._value("expected a value or a field"))

    def _value(self, expected: str) -> Value:
        word = self._next
        if word.value is None:
            raise self._expected(expected)
        self._place += 1
        return Value(word.value, word.column)

    def _list(self) -> tuple[Value, ...]:
        if not self._took("["):
            raise self._expected('expected a list such as ["a", "b"]')
        values = [self._value("expected a value")]
        while self._took(","):
            if len(values) == MAX_LIST:
                raise FilterFlawed(self._next.column, f"more than {MAX_LIST} values in a list")
            values.append(self._value("expected a value"))
        if not self._took("]"):
            raise self._expected('expected "," or "]"')
        return tuple(values)
