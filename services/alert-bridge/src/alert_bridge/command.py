"""The commands beside the service: who may post, with the URL for each of them, and what rules do."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from alert_bridge.deliver.command import add_destination_commands, asked_of_destinations
from alert_bridge.errors import SourcesUnreadable
from alert_bridge.receive.desk import INBOUND
from alert_bridge.receive.source import Source
from alert_bridge.receive.sources import add_source, list_sources, remove_source, rotate_source
from alert_bridge.rules.command import add_rules_commands, asked_of_rules
from alert_bridge.settings import Settings
from baleen_runtime.usage import told_variables

_VARIABLE = "ALERT_BRIDGE_SOURCES"
_DIALECTS = ("discord", "slack", "github", *INBOUND)
_DURATION = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LONGEST = timedelta(days=365)


def main(arguments: Sequence[str]) -> int:
    """Run one command; 1 and a sentence where it cannot.

    URLs are credentials: they go to standard output alone, for whoever asked.
    """
    options = _parser().parse_args(arguments)
    if options.what == "destinations":
        return asked_of_destinations(options)
    if options.what != "source":
        return asked_of_rules(options)
    if options.file is None:
        sys.stderr.write(f"which file? Give --file, or set {_VARIABLE}\n")
        return 1
    run: Callable[[argparse.Namespace], None] = options.run
    try:
        run(options)
    except (SourcesUnreadable, ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="alert-bridge",
        description="Hears alerts and says them on the bus until SIGTERM; does what a command says instead.",
        epilog=told_variables(Settings),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="what", required=True)
    add_rules_commands(commands)
    add_destination_commands(commands)
    source = commands.add_parser("source", help="who may post")
    verbs = source.add_subparsers(dest="verb", required=True)
    add = _verb(verbs.add_parser("add", help="make a source, or print the URL of one again"), _add)
    rotate = _verb(verbs.add_parser("rotate", help="give a source a new token, and print its URL"), _rotate)
    remove = _verb(verbs.add_parser("remove", help="forget a source and its tokens"), _remove)
    _verb(verbs.add_parser("list", help="show the sources; never a token"), _list)
    for one in (add, rotate, remove):
        one.add_argument("name", help="what its alerts carry as their source")
    for one in (add, rotate):
        one.add_argument("--dialect", choices=_DIALECTS, default="discord", help="what it speaks [discord]")
    rotate.add_argument(
        "--keep-old",
        type=_duration,
        default=timedelta(0),
        metavar="TIME",
        help="how long its old tokens stay good, such as 24h; not at all if not given",
    )
    return parser


def _verb(
    parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], None]
) -> argparse.ArgumentParser:
    file = os.environ.get(_VARIABLE)
    parser.add_argument(
        "--file", type=Path, default=Path(file) if file else None, help=f"the file of sources [${_VARIABLE}]"
    )
    parser.add_argument("--base-url", default="http://127.0.0.1:8002", help="where senders reach the bridge")
    parser.set_defaults(run=run)
    return parser


def _add(options: argparse.Namespace) -> None:
    _print_url(add_source(options.file, options.name), options)


def _rotate(options: argparse.Namespace) -> None:
    turned = rotate_source(options.file, options.name, keep_old=options.keep_old, now=datetime.now(UTC))
    _print_url(turned, options)


def _remove(options: argparse.Namespace) -> None:
    remove_source(options.file, options.name)


def _list(options: argparse.Namespace) -> None:
    now = datetime.now(UTC)
    for source in list_sources(options.file):
        sys.stdout.write(_line(source, now) + "\n")


def _line(source: Source, now: datetime) -> str:
    """One source in words, without a secret."""
    facts = [source.name, f"webhook {source.id}"]
    usual = (("type", source.alert_type), ("severity", source.severity), ("symbol", source.symbol))
    facts += [f"{what} {value}" for what, value in usual if value]
    if source.limit:
        facts.append(f"at most {source.limit.requests} requests in {source.limit.seconds:g} s")
    facts += ["signed"] if source.signing_secret else []
    ends = [old.until for old in source.old_tokens if old.until is None or old.until > now]
    facts += [
        f"old token good until {end:%Y-%m-%dT%H:%M:%SZ}" if end else "old token good for ever" for end in ends
    ]
    return "  ".join(facts)


def _print_url(source: Source, options: argparse.Namespace) -> None:
    sys.stdout.write(source.url(options.base_url, options.dialect) + "\n")


def _duration(text: str) -> timedelta:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError("a number and s, m, h or d, such as 24h")
    return min(timedelta(seconds=int(found[1]) * _SECONDS[found[2]]), _LONGEST)
