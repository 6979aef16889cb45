"""``baleen``: run, look at and check Baleen on one machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from baleen.terminal import Terminal
from baleen.up import UpOptions
from baleen.up import up as stay_up

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


if __name__ == "__main__":
    app()
