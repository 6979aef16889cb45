"""Secrets of destinations by reference: ``${NAME}`` of the environment, and ``file:/path``. Pure.

What is found is learnt, so that no sentence about the file can repeat it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

FILE: Final = "file:"
_REFERENCE: Final = re.compile(r"\$\$|\$\{([^{}]*)\}")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_MAX_SECRET: Final = 16 * 1024


class Missing(ValueError):  # noqa: N818 - the condition is the name
    """What a reference names is not there; the sentence names it, and the cure."""


@dataclass(frozen=True, slots=True)
class References:
    """Looks references up.

    Attributes:
        environ: the variables of the environment.
        read_file: reads a file of one secret; raises OSError.
        found: every secret that was looked up.
    """

    environ: Mapping[str, str] = field(repr=False)
    read_file: Callable[[Path], str]
    found: list[str] = field(default_factory=list, repr=False)

    def resolved(
        self, said: Mapping[str, Any], secrets: frozenset[str]
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """The fields with what their references stand for; and what is wrong, by field.

        A field whose reference is missing is left out. Only *secrets* may be read from files.
        """
        fields: dict[str, Any] = {}
        wrong: dict[str, str] = {}
        for name, value in said.items():
            try:
                fields[name] = self._value(value, may_be_file=name in secrets)
            except Missing as missing:
                wrong[name] = str(missing)
        self.found.extend(
            value for name, value in fields.items() if name in secrets and isinstance(value, str)
        )
        return fields, wrong

    def _value(self, said: Any, *, may_be_file: bool) -> Any:
        if not isinstance(said, str):
            return said
        text = _REFERENCE.sub(self._variable, said)
        if may_be_file and text.startswith(FILE):
            return self._file(Path(text.removeprefix(FILE)))
        return text

    def _variable(self, reference: re.Match[str]) -> str:
        name = reference[1]
        if name is None:
            return "$"
        if _NAME.fullmatch(name) is None:
            raise Missing("${…} holds the name of a variable: letters, digits and _")
        value = self.environ.get(name, "")
        if not value.strip():
            raise Missing(f"the variable {name} is not set in the environment")
        self.found.append(value)
        return value.strip()

    def _file(self, path: Path) -> str:
        if not path.is_absolute():
            raise Missing("file: is followed by an absolute path")
        try:
            text = self.read_file(path).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Missing(f"{path} cannot be read: {type(error).__name__}") from None
        if not 0 < len(text) <= _MAX_SECRET:
            raise Missing(f"{path} is empty, or too large to be a secret")
        return text
