"""What a person asks of rules at the command line: is a file sound, and what does it do with an alert."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TextIO

from pydantic import ValidationError

from alert_bridge.errors import Refused, RulesUnreadable
from alert_bridge.receive.shape import alert_from_json, read_object
from alert_bridge.rules.decide import Suppress
from alert_bridge.rules.explain import explain
from alert_bridge.rules.load import load_rules
from alert_bridge.rules.model import Rules
from baleen_contracts.alert import Alert

_NOBODY = "nobody"
"""The source of an alert that names none; over HTTP its token would."""


def check(path: Path, environ: Mapping[str, str], *, secrets: bool, out: TextIO, err: TextIO) -> int:
    """Say everything that is wrong with a rules file, or how much is in it; return 1 or 0.

    Without *secrets* destinations are checked no further than their types, so that nobody needs to have any.
    """
    try:
        rules = load_rules(path, environ, to_explain=not secrets)
    except RulesUnreadable as error:
        err.writelines(f"{problem}\n" for problem in error.problems)
        return 1
    err.writelines(f"{warning}\n" for warning in rules.warnings)
    counts = (
        _counted(len(rules.destinations), "destination"),
        _counted(len(rules.routes), "route"),
        _counted(len(rules.mutes), "mute"),
        _counted(len(rules.watches), "watch", "watches"),
    )
    out.write(f"{path} is sound: {', '.join(counts)}\n")
    return 0


def explain_alert(
    file: Path, path: Path, *, at: datetime | None, now: datetime, out: TextIO, err: TextIO
) -> int:
    """Print what the rules at *path* would do with the alert in *file*, step by step; return 0.

    Returns 1 where one of them cannot be read.

    Args:
        file: JSON as `POST /alerts` takes it, or of a stored alert; ``-`` for standard input.
        path: the rules file; its secrets are not looked up.
        at: when the alert is received; without it when it says, else *now*.
        now: the present.
        out: where to print.
        err: where to say what is wrong.
    """
    try:
        rules = load_rules(path, {}, to_explain=True)
        alert = _alert(_bytes(file), at or now)
    except RulesUnreadable as error:
        err.writelines(f"{problem}\n" for problem in error.problems)
        return 1
    except Refused as error:
        err.write(f"{file} is no alert: {error}\n")
        return 1
    except OSError as error:
        err.write(f"{file} cannot be read: {type(error).__name__}\n")
        return 1
    _print(rules, alert, at or alert.received_at, out)
    return 0


def _print(rules: Rules, alert: Alert, at: datetime, out: TextIO) -> None:
    explained = explain(rules, alert, at)
    told = sum(not isinstance(one.decision, Suppress) for one in explained)
    out.write(
        f"{told} of {_counted(len(explained), 'destination')} would be told, if none like it came before\n"
    )
    for one in explained:
        out.write(f"\n{one.destination} {one.verdict}\n")
        out.writelines(f"  {step}\n" for step in one.steps)


def _alert(body: bytes, now: datetime) -> Alert:
    """The alert in *body*.

    Raises:
        Refused: there is none.
    """
    said = read_object(body)
    if "received_at" in said:  # only stored ones have it
        try:
            return Alert.model_validate_json(body)
        except ValidationError:
            pass  # the other way of reading says why in our words
    return alert_from_json({"source": _NOBODY, **said}, key=None, sender=None, fresh_id="explained", now=now)


def _bytes(file: Path) -> bytes:
    return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()


def _counted(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
