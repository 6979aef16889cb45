"""What is wrong with a message, in the words and the nesting of Discord's errors. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Path = tuple[str | int, ...]
_FIRST_WITH_NESTED = 8
"""The version of the API since which errors are nested; before it, embeds are told by number alone."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong field."""

    path: Path
    code: str
    message: str


@dataclass(slots=True)
class Problems:
    """Every wrong field of one message."""

    found: list[Problem] = field(default_factory=list)

    def add(self, path: Path, code: str, message: str) -> None:
        """Note one."""
        self.found.append(Problem(path, code, message))

    def body(self, version: int) -> dict[str, Any]:
        """The answer's body, as that version of the API words it."""
        if version < _FIRST_WITH_NESTED:
            return self._old_body()
        tree: dict[str, Any] = {}
        for problem in self.found:
            node = tree
            for part in problem.path:
                node = node.setdefault(str(part), {})
            node.setdefault("_errors", []).append({"code": problem.code, "message": problem.message})
        return {"message": "Invalid Form Body", "code": 50035, "errors": tree}

    def _old_body(self) -> dict[str, Any]:
        """`{"embeds": ["0"]}`: which embed, never why."""
        told: dict[str, list[str]] = {}
        for problem in self.found:
            first = str(problem.path[0]) if problem.path else "_misc"
            words = problem.message if len(problem.path) < 2 else str(problem.path[1])  # noqa: PLR2004 - below it
            if words not in told.setdefault(first, []):
                told[first].append(words)
        return told
