"""The commands `rules check` and `explain`."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alert_bridge.rules.asked import check, explain_alert

RULES = "ALERT_BRIDGE_RULES"


def add_rules_commands(commands: Any) -> None:
    """Add them to the commands of a parser, as `add_subparsers` returns these."""
    rules = commands.add_parser("rules", help="who is told what")
    checking = rules.add_subparsers(dest="verb", required=True).add_parser(
        "check", help="say everything that is wrong with a rules file"
    )
    checking.add_argument("file", type=Path)
    checking.add_argument(
        "--without-secrets", action="store_true", help="leave what ${NAME} and file: stand for alone"
    )
    explaining = commands.add_parser("explain", help="what the rules would do with an alert; tells nobody")
    explaining.add_argument(
        "file", type=Path, help="the alert as JSON, as POST /alerts takes it or as it is stored; - reads it"
    )
    explaining.add_argument("--rules", type=Path, help=f"the rules file [${RULES}]")
    explaining.add_argument(
        "--at", type=_moment, metavar="TIME", help="when it is received, as 2026-11-21T03:00:00-05:00"
    )


def asked_of_rules(options: argparse.Namespace) -> int:
    """Run the one that was asked for; return its exit code."""
    if options.what == "rules":
        secrets = not options.without_secrets
        return check(options.file, os.environ, secrets=secrets, out=sys.stdout, err=sys.stderr)
    named = options.rules or os.environ.get(RULES)
    if not named:
        sys.stderr.write(f"no rules: name a file with --rules, or set {RULES}\n")
        return 1
    now = datetime.now(UTC)
    return explain_alert(options.file, Path(named), at=options.at, now=now, out=sys.stdout, err=sys.stderr)


def _moment(said: str) -> datetime:
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        raise argparse.ArgumentTypeError("a time, such as 2026-11-21T03:00:00-05:00") from None
    return moment if moment.tzinfo is not None else moment.astimezone()
