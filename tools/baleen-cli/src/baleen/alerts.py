"""`baleen alerts`: who may send alerts; what became of them is told by further commands of the same name."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import typer
from rich.console import Console

from baleen.errors import CannotRun
from baleen.state import project_root, read_dotenv
from baleen.terminal import Terminal

_FILE, _PORT = "ALERT_BRIDGE_SOURCES", "ALERT_BRIDGE_PORT"

alerts = typer.Typer(no_args_is_help=True, help="Alerts: who may send them, and what became of each.")


@alerts.command(
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": [],
    }
)
def source(context: typer.Context) -> None:
    """Say who may send alerts: `add NAME`, `list`, `rotate NAME`, `remove NAME`; `add --help` tells more.

    The same as `alert-bridge source`, with the file that `make up` uses, or `ALERT_BRIDGE_SOURCES`. `add`
    prints the URL to give to the sender; the URL is a credential.
    """
    try:
        here = project_root(Path.cwd())
        command = source_command(context.args, here, read_dotenv(here / ".env") | dict(os.environ))
    except CannotRun as problem:
        Terminal(Console(stderr=True, highlight=False, soft_wrap=True)).problem(str(problem))
        raise typer.Exit(1) from None
    raise typer.Exit(subprocess.run(command, check=False).returncode)  # noqa: S603 - our own program


def source_command(asked: Sequence[str], here: Path, settings: Mapping[str, str]) -> list[str]:
    """Return what runs *asked* on the sources of the checkout *here*; options given in *asked* win."""
    file = settings.get(_FILE) or str(here / ".baleen" / "sources.json")
    port = settings.get(_PORT) or "8002"
    program = str(Path(sys.executable).with_name("alert-bridge"))
    defaults = [f"--file={file}", f"--base-url=http://127.0.0.1:{port}"]
    verb, rest = list(asked[:1]), list(asked[1:])
    return [program, "source", *verb, *(defaults if verb and not verb[0].startswith("-") else ()), *rest]
