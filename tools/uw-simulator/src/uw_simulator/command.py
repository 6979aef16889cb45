"""The command line: every setting as an option, orders to a running simulator, and a bench."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from typing import Annotated, Any, get_args

import httpx
import orjson
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
  uw-simulator tell drop code=1000
  drop, mute, hush, half-open, refuse, close-after-accept, block-agents,
  swallow-joins, lag, duplicate, garbage, rest, exhaust, spend, limits,
  say, burst, replay, pause, reset

[bold]See[/bold]
  uw-simulator see state
  who is connected, what was sent, which limits a client exceeded
  uw-simulator see history
  every socket and every violation, with times

Each option is a variable too: --rate is UW_SIMULATOR_RATE.
Tokens and passwords are variables only.
"""

_AT = "http://127.0.0.1:8010"

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


@app.command()
def tell(order: str, words: Annotated[list[str] | None, typer.Argument()] = None, at: str = _AT) -> None:
    """Give a running simulator an ORDER such as `refuse seconds=30 status=503`."""
    body = dict(_word(word) for word in words or ())
    _control("POST", at, order, body)


@app.command()
def see(what: str = "state", at: str = _AT) -> None:
    """Show what a running simulator saw: `state`, `history`, `bursts` or `replay`."""
    _control("GET", at, what, None)


def _word(word: str) -> tuple[str, Any]:
    """Return the key and the value of `key=value`; what is no JSON is a text."""
    key, _, text = word.partition("=")
    try:
        return key, orjson.loads(text)
    except ValueError:
        return key, text


def _control(method: str, at: str, order: str, body: dict[str, Any] | None) -> None:
    try:
        answer = httpx.request(method, f"{at}/_sim/{order}", json=body, timeout=120)
    except httpx.HTTPError as error:
        typer.echo(f"no simulator answers at {at} ({type(error).__name__})", err=True)
        raise typer.Exit(1) from None
    typer.echo(answer.text)
    raise typer.Exit(int(answer.is_error))
