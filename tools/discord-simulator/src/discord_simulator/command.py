"""The command line: every setting as an option, orders to a running simulator, and the URLs of webhooks."""

from __future__ import annotations

import inspect
import os
import sys
from typing import Annotated, Any

import httpx
import orjson
import typer
from pydantic.fields import FieldInfo

from baleen_runtime import lifecycle
from baleen_runtime.settings import variables_of
from discord_simulator.service import run
from discord_simulator.settings import Settings
from discord_simulator.webhooks import webhook_named

_HELP = """Pretend to be Discord, as far as webhooks go.

Same paths, same answers, same limits, faults on request. Nothing leaves this machine.

[bold]Post[/bold]
  curl -H 'Content-Type: application/json' -d '{"content":"hello"}' \\
    "$(discord-simulator url alerts)?wait=true"

[bold]See[/bold]
  http://127.0.0.1:8020/        the newest messages, for people
  discord-simulator see state   counts, limits, refusals, repeats
  discord-simulator see messages

[bold]Misbehave[/bold] (from this machine only)
  discord-simulator tell faults kind=cloudflare count=3
  discord-simulator tell faults kind=taken_silence every=10 count=null
  rate_limited, rate_limited_bare, cloudflare, status, reset, and after the
  message was taken: taken_silence, taken_reset, taken_status, taken_garbage,
  taken_slow. Each takes count, every, webhook, status and seconds.
  discord-simulator tell limits channel_limit=100
  discord-simulator tell reset

Each option is a variable too: --limits-scale is DISCORD_SIMULATOR_LIMITS_SCALE.
"""

_AT = "http://127.0.0.1:8020"

app = typer.Typer(add_completion=False, rich_markup_mode="rich", no_args_is_help=False)


def _serve(context: typer.Context, **given: Any) -> None:
    if context.invoked_subcommand is not None:
        return
    variables = variables_of(Settings)
    for name, value in given.items():
        if value is not None:
            os.environ[variables[name][0]] = value
    sys.exit(lifecycle.main(Settings, run))


def _parameters() -> list[inspect.Parameter]:
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    fields = {name: field for name, field in Settings.model_fields.items() if name != "nats_url"}
    return [context, *(_parameter(name, field) for name, field in fields.items())]


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    """Return a setting as an option that is unset unless given, so that variables keep their say."""
    default = ",".join(field.default) if isinstance(field.default, tuple) else field.default
    option = typer.Option(
        "--" + name.replace("_", "-"),
        help=f"{field.description} [dim]({str(default).replace('[', chr(92) + '[')})[/dim]",
        show_default=False,
    )
    kind: Any = Annotated[str | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)


_serve.__signature__ = inspect.Signature(_parameters())  # type: ignore[attr-defined]
_serve.__annotations__ = {parameter.name: parameter.annotation for parameter in _parameters()}
app.callback(invoke_without_command=True, help=_HELP)(_serve)


@app.command()
def url(name: str, at: str = _AT) -> None:
    """Print the URL of the webhook NAME; it follows from the name, whether a simulator runs or not."""
    typer.echo(at + webhook_named(name, "any").path)


@app.command()
def tell(order: str, words: Annotated[list[str] | None, typer.Argument()] = None, at: str = _AT) -> None:
    """Give a running simulator an ORDER such as `faults kind=status status=503 count=5`."""
    _control("POST", at, order, dict(_word(word) for word in words or ()))


@app.command()
def see(what: Annotated[str, typer.Argument()] = "state", at: str = _AT) -> None:
    """Show what a running simulator has: `state`, `messages` or `webhooks`."""
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
        answer = httpx.request(method, f"{at}/control/{order}", json=body, timeout=30)
    except httpx.HTTPError as error:
        typer.echo(f"no simulator answers at {at} ({type(error).__name__})", err=True)
        raise typer.Exit(1) from None
    typer.echo(answer.text)
    raise typer.Exit(int(answer.is_error))
