"""The simulator as a process: its settings, its help, its orders."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from discord_simulator.testing import SimulatedDiscord
from discord_simulator.webhooks import webhook_named

COMMAND = [sys.executable, "-m", "discord_simulator"]


def told(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DISCORD_SIMULATOR_")}
    return subprocess.run(
        [*COMMAND, *words],
        env={**kept, "COLUMNS": "200", **environ},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


async def test_it_runs_as_a_process_and_hears_orders():
    """A webhook from the settings, a fault from the command line, its answer seen from there too."""
    async with SimulatedDiscord.subprocess(webhooks=("mine@there",)) as discord:
        at = ("--at", discord.http_url)
        armed = told("tell", "faults", "kind=status", "status=503", *at)
        failed = await discord.client.post(discord.url_of("mine"), json={"content": "x"})
        state, messages = told("see", *at), told("see", "messages", *at)
        assert discord.pid is not None

    assert (armed.returncode, failed.status_code) == (0, 503)
    assert ('"status_503":1' in state.stdout, messages.returncode) == (True, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(discord.pid, 0)


def test_an_order_that_cannot_be_given_ends_with_one():
    """Nobody answers there."""
    ended = told("see", "--at", "http://127.0.0.1:1")

    assert (ended.returncode, "no simulator answers" in ended.stderr) == (1, True)


def test_the_url_of_a_webhook_is_known_beforehand():
    """Of the form that clients' patterns want: 19 digits, 68 characters."""
    url = told("url", "alerts").stdout.strip()
    *_, webhook_id, token = url.split("/")

    assert url.endswith(webhook_named("alerts", "anywhere").path)
    assert (len(webhook_id), len(token), token.replace("-", "").replace("_", "").isalnum()) == (19, 68, True)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DISCORD_SIMULATOR_WEBHOOKS", "alerts"),
        ("DISCORD_SIMULATOR_WEBHOOKS", "a@x,a@y"),
        ("DISCORD_SIMULATOR_MARK", "mark"),
        ("DISCORD_SIMULATOR_MARK", "("),
        ("DISCORD_SIMULATOR_LIMITS_SCALE", "0"),
        ("DISCORD_SIMULATOR_PROT", "1"),
    ],
)
def test_a_wrong_setting_stops_the_start(variable: str, value: str):
    """Exit code 78; the message names the variable."""
    ended = told(**{variable: value})

    assert (ended.returncode, variable in ended.stderr) == (78, True)


def test_the_help_teaches():
    """It shows how to post, see and misbehave."""
    shown = told("--help").stdout

    for word in ("curl", "see state", "tell faults", "taken_silence", "--limits-scale", "url"):
        assert word in shown
