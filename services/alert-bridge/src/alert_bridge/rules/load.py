"""Loads rules from a file, with the files of secrets that it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from alert_bridge.errors import RulesUnreadable
from alert_bridge.rules.document import MAX_BYTES
from alert_bridge.rules.model import Rules
from alert_bridge.rules.read import read_rules


@dataclass
class Files:
    """What some files held when they were looked at, or why they could not be read."""

    contents: dict[Path, bytes | type[OSError]] = field(default_factory=dict)

    def as_they_are(self) -> Files:
        """The same files, looked at now."""
        return Files({path: _content(path) for path in list(self.contents)})

    def text(self, path: Path) -> str:
        """What a file held, or holds if it was not looked at before; the beginning if that is too much.

        Raises:
            OSError: it could not be read.
            UnicodeDecodeError: it is no text.
        """
        if path not in self.contents:
            self.contents[path] = _content(path)
        content = self.contents[path]
        if isinstance(content, bytes):
            return content.decode("utf-8-sig")
        raise content


def load_rules(
    path: Path, environ: Mapping[str, str], *, files: Files | None = None, to_explain: bool = False
) -> Rules:
    """The rules of the file at *path*.

    Args:
        path: the rules file.
        environ: where it may find secrets.
        files: what was looked at already, by which it goes; what else is read is added.
        to_explain: leave secrets alone.

    Raises:
        RulesUnreadable: they cannot be read, or are wrong.
    """
    known = Files() if files is None else files
    try:
        text = known.text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise RulesUnreadable([f"{path}: cannot be read: {type(error).__name__}"]) from None
    return read_rules(text, name=path.name, environ=environ, read_file=known.text, to_explain=to_explain)


def _content(path: Path) -> bytes | type[OSError]:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        return type(error)
