"""The command about destinations: what waits for one that the rules no longer name is given up."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import Any

from alert_bridge.deliver.upkeep import forget
from alert_bridge.errors import StillServed
from alert_bridge.settings import Settings
from baleen_bus import BusError, open_bus
from baleen_runtime.clock import SystemClock
from baleen_runtime.errors import SettingsError
from baleen_runtime.settings import load_settings

_CONNECT_WITHIN = 5.0


def add_destination_commands(commands: Any) -> None:
    """Adds ``destinations forget NAME`` to the parser's commands."""
    destinations = commands.add_parser("destinations", help="destinations that the rules no longer name")
    verbs = destinations.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("forget", help="give up the alerts that wait for a destination, and its account")
    verb.add_argument("name", help="as it was in the rules")


def asked_of_destinations(options: argparse.Namespace) -> int:
    """Runs one of them, by the settings of the service; 1 and a sentence where it cannot."""
    try:
        waited = asyncio.run(_forget(load_settings(Settings, os.environ), options.name))
    except (BusError, SettingsError, StillServed) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if waited is None:
        sys.stderr.write(f"nothing waits for {options.name}\n")
        return 1
    sys.stdout.write(f"forgot {options.name}; {waited} alerts that waited for it are given up\n")
    return 0


async def _forget(settings: Settings, name: str) -> int | None:
    password = settings.nats_password.get_secret_value() if settings.nats_password else None
    async with open_bus(
        url=settings.nats_url,
        user=settings.nats_user,
        password=password,
        name="alert-bridge-command",
        connect_within=_CONNECT_WITHIN,
    ) as bus:
        return await forget(bus, SystemClock(), name)
