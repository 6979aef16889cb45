"""The `source` command: makes a sender's webhook and prints its URL."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from alert_bridge.errors import SourcesUnreadable
from alert_bridge.receive.sources import add_source


def main(arguments: Sequence[str]) -> int:
    """Run `source add NAME`: print the webhook URL, the same one however often it is asked for.

    The URL is a credential; it goes to standard output alone, for whoever asked.
    """
    parser = argparse.ArgumentParser(prog="alert-bridge", description="Hears alerts, says them on the bus.")
    source = parser.add_subparsers(dest="what", required=True).add_parser("source", help="who may post")
    add = source.add_subparsers(dest="verb", required=True).add_parser("add", help="make a source's webhook")
    add.add_argument("name", help="what its alerts will carry as their source")
    add.add_argument("--file", type=Path, required=True, help="the file ALERT_BRIDGE_SOURCES names")
    add.add_argument("--base-url", default="http://127.0.0.1:8002", help="where senders reach the bridge")
    options = parser.parse_args(arguments)
    try:
        made = add_source(options.file, options.name)
    except (SourcesUnreadable, ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(made.webhook_url(options.base_url) + "\n")
    return 0
