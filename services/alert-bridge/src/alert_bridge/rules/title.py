"""The title of a watch: text with fields of the message in braces, ``{symbol} at {price}``. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_PARTS: Final = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_.]*)\}|[{}]", re.ASCII)
_BRACES: Final = {"{{": "{", "}}": "}"}
_DECIMALS: Final = 4
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
    """The title over one message: numbers with thousands apart and at most four decimals."""
    return _PARTS.sub(lambda part: _BRACES.get(part[0]) or _shown(message, part[1]), title)


def _shown(message: Any, path: str) -> str:
    for name in path.split("."):
        message = message.get(name) if isinstance(message, Mapping) else None
    if message is None:
        return ABSENT
    if isinstance(message, float):
        return f"{round(message, _DECIMALS):,}".removesuffix(".0")
    return f"{message:,}" if isinstance(message, int) and not isinstance(message, bool) else str(message)
