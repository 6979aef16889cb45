"""Which metrics an expression of PromQL reads, by its tokens. Pure.

Not a parser: whether an expression is one is for promtool to say. Variables of Grafana, such as
`$__rate_interval` or `${datasource}`, are taken for values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

_TOKEN: Final = re.compile(
    r"""
      (?P<space> \s+ | \#[^\n]* )
    | (?P<text> "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | `[^`]*` )
    | (?P<variable> \$\{[^}]*\} | \$\w+ )
    | (?P<number> 0[xX][0-9a-fA-F]+ | (?:\d+(?:ms|[smhdwy]))+ | (?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)? )
    | (?P<name> [A-Za-z_][A-Za-z0-9_:]* )
    | (?P<sign> =~ | !~ | == | != | >= | <= | [-+*/%^=<>(){}\[\],:@] )
    """,
    re.VERBOSE,
)
_LISTS_LABELS: Final = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS: Final = frozenset({"and", "or", "unless", "atan2", "bool", "offset", "inf", "nan", "start", "end"})


class Unreadable(ValueError):  # noqa: N818 - the condition is the name
    """A character that begins no token of PromQL."""


def metrics_of(expression: str) -> set[str]:
    """The names of the metrics that an expression reads.

    Raises:
        Unreadable: this is no PromQL.
    """
    return {name for name, _ in selectors(expression)}


def selectors(expression: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Each metric that an expression reads, with the labels that its selector asks for.

    Raises:
        Unreadable: this is no PromQL.
    """
    tokens = [*_tokens(expression), ("end", "")]
    at = 0
    while at < len(tokens) - 1:
        kind, text = tokens[at]
        follows = tokens[at + 1][1]
        if kind == "name" and text.lower() in _LISTS_LABELS:
            at = _past(tokens, at + 1, ")") if follows == "(" else at + 1
        elif kind == "name" and follows != "(" and text.lower() not in _WORDS and not _aggregates(follows):
            end = _past(tokens, at + 1, "}") if follows == "{" else at + 1
            yield text, frozenset(_labels(tokens[at + 1 : end]))
            at = end
        elif text == "{":
            raise Unreadable(f"a selector without a metric's name, in {expression!r}")
        else:
            at += 1


def _tokens(expression: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(expression):
        found = _TOKEN.match(expression, at)
        if found is None or found.lastgroup is None:
            raise Unreadable(f"{expression[at]!r} begins no token, in {expression!r}")
        at = found.end()
        if found.lastgroup != "space":
            yield found.lastgroup, found.group()


def _aggregates(follows: str) -> bool:
    """Whether what comes before is an aggregation, as in `sum by (job) (x)`."""
    return follows.lower() in ("by", "without")


def _past(tokens: list[tuple[str, str]], at: int, closing: str) -> int:
    while tokens[at][0] != "end":
        at += 1
        if tokens[at - 1] == ("sign", closing):
            return at
    raise Unreadable(f"a {closing!r} is missing")


def _labels(tokens: list[tuple[str, str]]) -> Iterator[str]:
    for (kind, text), (_, follows) in pairwise(tokens):
        if kind == "name" and follows in ("=", "!=", "=~", "!~"):
            yield text
