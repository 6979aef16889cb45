"""``baleen``: run, look at and check Baleen on one machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from baleen.alerts import alerts
from baleen.alerts_commands import add_commands
from baleen.doctor import doctor as diagnose
from baleen.explain import TOKEN_VARIABLE, Asked, Subject
from baleen.explain import explain as say_why
from baleen.explain_alert import AlertAsked, explain_alert
from baleen.record import RecordOptions
from baleen.record import record as keep_recording
from baleen.replay import ReplayOptions
from baleen.replay import replay as play_again
from baleen.smoke import smoke as walk_the_road
from baleen.terminal import Terminal
from baleen.token import TokenOptions
from baleen.token import token as make_and_print
from baleen.up import UpOptions
from baleen.up import up as stay_up
from baleen.watch import WatchOptions
from baleen.watch import watch as keep_watching

_INGEST = "http://127.0.0.1:8001"
_GATEWAY = "http://127.0.0.1:8000"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Baleen on one machine: one upstream connection in, any number of screens, bots and teams out.",
)
add_commands(alerts)
app.add_typer(alerts, name="alerts")


@app.command()
def up(
    *,
    state: Annotated[
        Path | None,
        typer.Option(help="Folder for streams and passwords; `.baleen` in the checkout if not given."),
    ] = None,
    free_ports: Annotated[
        bool, typer.Option("--free-ports", help="Take any free ports instead of the usual ones.")
    ] = False,
    leave_with: Annotated[int | None, typer.Option(hidden=True, help="Leave when this process does.")] = None,
) -> None:
    """Run everything: bus, simulator, ingest, gateway and alert-bridge, until Ctrl-C.

    Without a token in `.env` or the environment the simulator stands in for Unusual Whales, and everything
    says SIMULATED. With one (`UW_API_TOKEN=…` in `.env`, never on the command line) the data is live.

    Any variable of a service (`UW_INGEST_…`, `WS_GATEWAY_…`, `ALERT_BRIDGE_…`, `UW_SIMULATOR_…`) in `.env` or
    in the environment reaches that service and no other; `…_PORT`, `NATS_PORT` and `NATS_MONITOR_PORT` move
    the ports.
    """
    raise typer.Exit(stay_up(UpOptions(state, free_ports, leave_with), Terminal()))


@app.command()
def smoke(
    *,
    within: Annotated[float, typer.Option(help="Seconds to wait for the messages once all is up.")] = 60.0,
) -> None:
    """Start everything on free ports and see a flow alert, a congress trade and an alert reach a client.

    Prints how long each hop took. Ends with 0, or with 1 and the reason. Leaves nothing behind.
    """
    raise typer.Exit(walk_the_road(within, Terminal()))


@app.command()
def watch(
    topics: Annotated[
        list[str], typer.Argument(help="Subjects, wildcards, or names: `'uw.v1.flow_alert.>'`, `flow_alert`.")
    ],
    *,
    url: Annotated[str, typer.Option(help="The gateway.")] = "ws://127.0.0.1:8000/v1/stream",
    snapshot: Annotated[bool, typer.Option(help="Begin with the last message of each subject.")] = True,
    rows: Annotated[int, typer.Option(min=1, max=200, help="Messages shown.")] = 25,
    count: Annotated[int, typer.Option(min=0, help="End after so many messages; 0 is never.")] = 0,
) -> None:
    """Show topics as a live table; in a pipe, one JSON object per line.

    Examples: `baleen watch flow_alert alert`, `baleen watch 'uw.v1.price.>' --rows 40`,
    `baleen watch congress_trade --count 10 | jq .data`. A gateway that asks for tokens wants one in the
    variable `GATEWAY_TOKEN`.
    """
    known_as = os.environ.get(TOKEN_VARIABLE) or None
    options = WatchOptions(url, topics, snapshot=snapshot, rows=rows, count=count, token=known_as)
    raise typer.Exit(keep_watching(options, Terminal()))


@app.command()
def record(
    *,
    to: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("recordings"),
    ingest: Annotated[
        list[str] | None,
        typer.Option(help="Operator port of an uw-ingest; several replicas by several options. [8001]"),
    ] = None,
    rotate_mib: Annotated[float, typer.Option(min=0.001, help="Compressed MiB of a file.")] = 256.0,
    rotate_minutes: Annotated[float, typer.Option(min=0.001, help="Longest a file is written to.")] = 60.0,
    keep: Annotated[int, typer.Option(min=0, help="Closed files that stay; 0 keeps all.")] = 0,
    seconds: Annotated[
        float, typer.Option("--for", min=0, help="End after so many seconds; 0 is never.")
    ] = 0.0,
) -> None:
    """Record the raw upstream frames that uw-ingest hears, with the times at which they came.

    Files are gzipped JSON lines `{"at": epoch seconds, "frame": text}`, called `….part` until they are
    closed. What is missing is marked: `{"at", "dropped": n}` where this recorder was too slow, and
    `{"at", "hole": seconds}` where the ingest was away. `baleen replay` plays them.
    """
    options = RecordOptions(
        ingest or [_INGEST],
        to,
        rotate_mib=rotate_mib,
        rotate_minutes=rotate_minutes,
        keep=keep,
        seconds=seconds,
    )
    raise typer.Exit(keep_recording(options, _on_stderr()))


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help="Recordings, or folders of them, in their order.")],
    *,
    speed: Annotated[
        float, typer.Option(min=0.01, max=1000, help="Seconds of the recording that pass in one.")
    ] = 1.0,
    simulator: Annotated[
        str, typer.Option(help="The simulator; if none listens there, one is run meanwhile.")
    ] = "http://127.0.0.1:8010",
    loop: Annotated[bool, typer.Option("--loop", help="Begin anew after the end.")] = False,
    verbatim: Annotated[
        bool, typer.Option("--verbatim", help="Leave times and ids as they were recorded.")
    ] = False,
) -> None:
    """Play recorded frames through the simulator, as if they happened now, until their end or Ctrl-C.

    Whoever listens to the simulator hears them instead of its market. Example:
    `baleen record --to tape --for 600`, then `baleen replay tape --speed 10`.
    """
    options = ReplayOptions(files, speed=speed, simulator=simulator, loop=loop, verbatim=verbatim)
    raise typer.Exit(play_again(options, _on_stderr()))


@app.command()
def explain(
    subject: Annotated[Subject, typer.Argument(help="What to explain.")],
    name: Annotated[
        str | None,
        typer.Argument(help="Which feed, channel or client, all if not given; or the file of an alert."),
    ] = None,
    *,
    ingest: Annotated[str, typer.Option(help="Operator port of any uw-ingest; each knows of all.")] = _INGEST,
    gateway: Annotated[str, typer.Option(help="Any gateway; each knows the clients of all.")] = _GATEWAY,
    rules: Annotated[
        Path | None, typer.Option(help="Rules for an alert; those of `make up` or `ALERT_BRIDGE_RULES`.")
    ] = None,
    at: Annotated[str | None, typer.Option(help="When an alert is received, ISO-8601; now.")] = None,
    raw: Annotated[bool, typer.Option("--json", help="Print the answer as it is.")] = False,
) -> None:
    """Say who holds what of the upstream's budget and why, or how a client of the gateway stands.

    Or who would be told of an alert and why, without telling anyone: `baleen explain alert FILE`.

    Ends with 1 if something is wrong. Examples: `baleen explain budget`, `baleen explain feed flow_alert`,
    `baleen explain channel gex:SPY`, `baleen explain client`, `baleen explain client 1f0c9a27e4`. A gateway
    that asks for tokens wants one of an admin, in the variable `GATEWAY_TOKEN`.
    """
    if subject is Subject.ALERT:
        raise typer.Exit(explain_alert(AlertAsked(name, rules, at), Terminal()))
    asked = Asked(ingest, gateway, os.environ.get(TOKEN_VARIABLE) or None)
    raise typer.Exit(say_why(subject, name, asked, Terminal(), raw=raw))


@app.command()
def token(
    subject: Annotated[str, typer.Argument(help="Whose token it is.")],
    *,
    subscribe: Annotated[
        list[str] | None, typer.Option(help="Pattern of what may be heard; several by several options. [>]")
    ] = None,
    publish: Annotated[
        list[str] | None,
        typer.Option(help="Pattern of subjects for commands, such as `command.v1.session.*`."),
    ] = None,
    admin: Annotated[bool, typer.Option("--admin", help="May look at other clients.")] = False,
    minutes: Annotated[float, typer.Option(min=0.1, max=525_600, help="How long it lasts.")] = 60.0,
) -> None:
    """Make a token to try a gateway with that checks tokens by a shared secret (`WS_GATEWAY_AUTH_KEY`).

    The secret is read from `.env` or the environment. Example:
    `GATEWAY_TOKEN=$(baleen token alice --subscribe 'uw.v1.>') baleen watch flow_alert`.
    """
    options = TokenOptions(subject, tuple(subscribe or [">"]), tuple(publish or ()), admin, minutes)
    raise typer.Exit(make_and_print(options, Terminal(), _on_stderr()))


@app.command()
def doctor() -> None:
    """Check this machine and what runs on it; each line is ok, warn or fail, with the cure.

    Ends with 1 if anything failed. Asks only 127.0.0.1 and changes nothing.
    """
    raise typer.Exit(diagnose(Terminal()))


def _on_stderr() -> Terminal:
    """Return a terminal for progress that is no result."""
    return Terminal(Console(stderr=True, highlight=False, soft_wrap=True))


if __name__ == "__main__":
    app()
