"""Names as rules write them: several, with ``*`` for any characters, case aside. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate


class Names:
    """A set of names and patterns; asked with a name in small letters."""

    __slots__ = ("_exact", "_pattern")

    def __init__(self, written: Iterable[str]) -> None:
        lowered = [name.lower() for name in written]
        self._exact = frozenset(name for name in lowered if "*" not in name)
        wild = [_pattern(name) for name in lowered if "*" in name]
        self._pattern = re.compile("|".join(wild)) if wild else None

    def __contains__(self, name: str) -> bool:
        return name in self._exact or (self._pattern is not None and self._pattern.match(name) is not None)


def _pattern(written: str) -> str:
    """The expression of a pattern in which only ``*`` is special.

    `translate` writes one that takes linear time however many stars there are; its other signs are closed in
    brackets, which makes them plain.
    """
    return translate("".join(f"[{sign}]" if sign in "?[" else sign for sign in written))
