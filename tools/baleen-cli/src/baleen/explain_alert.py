"""`baleen explain alert FILE`: what rules would do with an alert, told by the program that applies them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from baleen.errors import CannotRun
from baleen.state import project_root, read_dotenv
from baleen.terminal import Terminal

_RULES = "ALERT_BRIDGE_RULES"


@dataclass(frozen=True, slots=True)
class AlertAsked:
    """What is asked of an alert.

    Attributes:
        file: its JSON; ``-`` for standard input.
        rules: the rules file; without it the one of the bridge that `make up` runs.
        at: when it is received, ISO-8601; without it when the alert says, else now.
    """

    file: str | None
    rules: Path | None = None
    at: str | None = None


def explain_alert(asked: AlertAsked, terminal: Terminal) -> int:
    """Print who would be told and why, and tell nobody; return 0, or 1 or 2 where that cannot be said."""
    try:
        here = project_root(Path.cwd())
        command = explain_command(asked, here, read_dotenv(here / ".env") | dict(os.environ))
    except CannotRun as problem:
        terminal.problem(str(problem))
        return 1
    return subprocess.run(command, check=False).returncode  # noqa: S603 - our own program


def explain_command(asked: AlertAsked, here: Path, settings: Mapping[str, str]) -> list[str]:
    """What runs it, by the rules of the checkout *here* where none are named.

    Raises:
        CannotRun: no alert is named, or there are no rules.
    """
    if not asked.file:
        raise CannotRun(
            "Which alert? Name a file with its JSON: `baleen explain alert FILE`, or - to read it."
        )
    usual = here / ".baleen" / "rules.yaml"
    named = asked.rules or (Path(settings[_RULES]) if settings.get(_RULES) else None)
    if named is None and not usual.is_file():
        raise CannotRun(f"Which rules? Name a file with --rules, or set {_RULES} in .env or the environment.")
    program = str(Path(sys.executable).with_name("alert-bridge"))
    at = (f"--at={asked.at}",) if asked.at else ()
    return [program, "explain", f"--rules={named or usual}", *at, "--", asked.file]
