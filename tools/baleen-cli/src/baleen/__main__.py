"""``baleen``: run, look at and check Baleen on one machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from baleen.doctor import doctor as diagnose
from baleen.smoke import smoke as walk_the_road
from baleen.terminal import Terminal
from baleen.up import UpOptions
from baleen.up import up as stay_up
from baleen.watch import WatchOptions
from baleen.watch import watch as keep_watching

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Baleen on one machine: one upstream connection in, any number of screens, bots and teams out.",
)


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
    `baleen watch congress_trade --count 10 | jq .data`.
    """
    options = WatchOptions(url, topics, snapshot=snapshot, rows=rows, count=count)
    raise typer.Exit(keep_watching(options, Terminal()))


@app.command()
def doctor() -> None:
    """Check this machine and what runs on it; each line is ok, warn or fail, with the cure.

    Ends with 1 if anything failed. Asks only 127.0.0.1 and changes nothing.
    """
    raise typer.Exit(diagnose(Terminal()))


if __name__ == "__main__":
    app()
