"""The title of a watch: text with fields of the message in braces, ``{symbol} at {price}``. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_PARTS: Final = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_.]*)\}|[{}]", re.ASCII)
_BRACES: Final = {"{{": "{", "}}": "}"}
_DECIMALS: Final = 4
_SIZES: Final = ((1e12, "T"), (1e9, "B"), (1e6, "M"))
ABSENT: Final = "?"
"""What stands where the message has no such field."""


def fields_in(title: str) -> tuple[str, ...]:
    """The fields that a title names, as paths (``signal.confidence``); doubled braces stand for themselves.

    Raises:
        ValueError: a brace stands alone, or holds something else than a field.
    """
    found: list[str] = []
    for part in _PARTS.finditer(title):
        if part[1] is not None:
            found.append(part[1])
        elif part[0] not in _BRACES:
            raise ValueError(
                f"column {part.start() + 1}: a brace holds the name of a field, as in {{symbol}}; doubled, "
                "it stands for itself"
            )
    return tuple(dict.fromkeys(found))


def filled(title: str, message: Mapping[str, Any]) -> str:
    """The title over one message, its numbers as people read them."""
    return _PARTS.sub(lambda part: _BRACES.get(part[0]) or _shown(message, part[1]), title)


def _shown(message: Any, path: str) -> str:
    for name in path.split("."):
        message = message.get(name) if isinstance(message, Mapping) else None
    if message is None:
        return ABSENT
    return figure(message) if isinstance(message, int | float) else str(message)


def figure(value: float) -> str:
    """A number as people read it: ``1.23 M`` from a million on, else whole thousands and four decimals."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    for size, name in _SIZES:
        if abs(value) >= size:
            return f"{value / size:.2f}".rstrip("0").rstrip(".") + f" {name}"
    return f"{round(value, _DECIMALS):,}".removesuffix(".0")
