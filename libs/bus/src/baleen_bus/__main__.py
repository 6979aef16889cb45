"""``baleen-bus``: bring streams and buckets to their configuration, print the server's."""

import asyncio
from typing import Annotated

import typer

from baleen_bus.bootstrap import bootstrap as bring_up
from baleen_bus.buckets import buckets_table
from baleen_bus.errors import BusError
from baleen_bus.permissions import nats_config as config_text
from baleen_bus.permissions import nats_users
from baleen_bus.streams import GIB, StreamSettings

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Baleen's bus: streams and server configuration."
)


@app.command()
def bootstrap(  # noqa: PLR0917 - the command line names them
    url: Annotated[str, typer.Option(envvar="BALEEN_NATS_URL")] = "nats://127.0.0.1:4222",
    user: Annotated[str | None, typer.Option(envvar="BALEEN_NATS_USER")] = None,
    password: Annotated[
        str | None,
        typer.Option(envvar=["BALEEN_NATS_PASSWORD", "BOOTSTRAP_NATS_PASSWORD"], show_envvar=False),
    ] = None,
    replicas: Annotated[int, typer.Option(envvar="BALEEN_STREAM_REPLICAS", min=1, max=5)] = 1,
    max_bytes: Annotated[int, typer.Option(envvar="BALEEN_STREAM_MAX_BYTES", min=1 << 20)] = 2 * GIB,
    lease_ttl: Annotated[
        float | None,
        typer.Option(envvar="BALEEN_LEASE_TTL", min=1, help="Seconds; 6 with one replica, else 15."),
    ] = None,
    within: Annotated[float, typer.Option(help="Seconds to wait for the server.")] = 30.0,
) -> None:
    """Create or update every stream and bucket; running it again changes nothing."""
    settings = StreamSettings(replicas=replicas, max_bytes=max_bytes, lease_ttl=lease_ttl)
    try:
        outcomes = asyncio.run(
            bring_up(url=url, user=user, password=password, connect_within=within, settings=settings)
        )
    except BusError as error:
        typer.echo(f"bootstrap failed: {error}", err=True)
        raise typer.Exit(1) from error
    for outcome in outcomes:
        typer.echo(f"{outcome.stream} {outcome.change}")


@app.command()
def buckets() -> None:
    """Print the table of the buckets, their keys and how long they live, as the documentation has it."""
    typer.echo(buckets_table(), nl=False)


@app.command("nats-config")
def nats_config(
    *,
    only_users: Annotated[
        bool, typer.Option("--only-users", help="Only the users, for a server that is configured elsewhere.")
    ] = False,
) -> None:
    """Print the nats-server configuration with Baleen's users and their permissions."""
    typer.echo(nats_users() if only_users else config_text(), nl=False)


if __name__ == "__main__":
    app()
