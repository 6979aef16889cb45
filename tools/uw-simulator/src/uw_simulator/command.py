"""The command line: every setting as an option, and a bench."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from typing import Any, get_args

import typer
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from baleen_runtime import lifecycle
from baleen_runtime.settings import variables_of
from uw_simulator.bench import measure
from uw_simulator.service import run
from uw_simulator.settings import Settings

_HELP = """Pretend to be the Unusual Whales upstream.

Same socket, same REST, same limits, faults on request.

[bold]Listen[/bold]
  connect to ws://127.0.0.1:8010/socket?token=simulated-token
  and send {"channel":"option_trades","msg_type":"join"} as text

[bold]Ask[/bold]
  curl -H 'Authorization: Bearer simulated-token' \\
    -A me 127.0.0.1:8010/api/market/movers

[bold]Misbehave[/bold] (from this machine only)
  curl --json '{"code":1000}' 127.0.0.1:8010/_sim/drop
  drop, mute, hush, half-open, refuse, close-after-accept, block-agents,
  swallow-joins, lag, duplicate, garbage, rest, exhaust, spend, limits,
  say, burst, replay, pause, reset

[bold]See[/bold]
  curl 127.0.0.1:8010/_sim/state
  who is connected, what was sent, which limits a client exceeded
  curl 127.0.0.1:8010/_sim/history
  every socket and every violation, with times

Each option is a variable too: --rate is UW_SIMULATOR_RATE.
Tokens and passwords are variables only.
"""

app = typer.Typer(add_completion=False, rich_markup_mode="rich", no_args_is_help=False)


def _serve(context: typer.Context, **given: Any) -> None:
    if context.invoked_subcommand is not None:
        return
    variables = variables_of(Settings)
    for name, value in given.items():
        if value is not None:
            os.environ[variables[name][0]] = str(value).lower() if isinstance(value, bool) else str(value)
    sys.exit(lifecycle.main(Settings, run))


def _parameters() -> list[inspect.Parameter]:
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    fields = ((name, field) for name, field in Settings.model_fields.items() if not _is_secret(field))
    return [context, *(_parameter(name, field) for name, field in fields)]


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    """Return a setting as an option that is unset unless given, so that variables keep their say."""
    is_switch = field.annotation is bool
    flag = "--" + name.replace("_", "-")
    option = typer.Option(
        f"{flag}/--no-{flag[2:]}" if is_switch else flag,
        help=f"{field.description} [dim]{_default(field)}[/dim]",
        show_default=False,
    )
    kind: Any = bool | None if is_switch else str | None
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_annotated(kind, option)
    )


def _annotated(kind: Any, option: Any) -> Any:
    from typing import Annotated  # noqa: PLC0415 - made at run time, not written in a signature

    return Annotated[kind, option]


def _default(field: FieldInfo) -> str:
    default = field.default
    return "" if default is None or isinstance(default, bool | tuple) else f"({default})"


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in (field.annotation, *get_args(field.annotation))


_serve.__signature__ = inspect.Signature(_parameters())  # type: ignore[attr-defined]
_serve.__annotations__ = {parameter.name: parameter.annotation for parameter in _parameters()}
app.callback(invoke_without_command=True, help=_HELP)(_serve)


@app.command()
def bench(count: int = 200_000, rate: float = 50_000, readers: int = 1, prepared: bool = False) -> None:
    """Send COUNT option trades at RATE a second to READERS sockets; print what arrived and what it cost."""
    typer.echo(asyncio.run(measure(count=count, rate=rate, readers=readers, prepared=prepared)))
