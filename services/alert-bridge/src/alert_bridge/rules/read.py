"""From the text of a rules file to the rules, or to everything that is wrong with it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Final

from alert_bridge.destinations.spec import Spec
from alert_bridge.errors import RulesUnreadable
from alert_bridge.rules.clock import longest_stretch
from alert_bridge.rules.destined import destinations_of
from alert_bridge.rules.document import Place, read_document
from alert_bridge.rules.model import Match, Route, Rules
from alert_bridge.rules.references import References
from alert_bridge.rules.sheet import Sheet
from alert_bridge.rules.watching import watches_of
from alert_bridge.rules.written import WrittenMute, WrittenRoute
from baleen_runtime.redact import Redactor

_HOUR: Final = 3_600.0


def read_rules(
    text: str,
    *,
    name: str,
    environ: Mapping[str, str],
    read_file: Callable[[Path], str],
    to_explain: bool = False,
) -> Rules:
    """The rules that *text* says.

    Args:
        text: YAML.
        name: of the file, for messages.
        environ: where ``${NAME}`` is looked up.
        read_file: reads what ``file:/path`` names; raises OSError.
        to_explain: leave secrets alone, for whoever tells nobody: destinations then have a type and no more.

    Raises:
        RulesUnreadable: something is wrong; ``problems`` has all of it, none with a secret in it.
    """
    references = References(environ, read_file)
    sheet = Sheet(read_document(text))
    routes = [(place, written.route) for place, written in sheet.all(WrittenRoute, "routes")]
    rules = Rules(
        version=blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest(),
        destinations=destinations_of(sheet, None if to_explain else references),
        routes=tuple(route for _, route in routes),
        mutes=tuple(written.mute for _, written in sheet.all(WrittenMute, "mutes")),
        watches=tuple(watches_of(sheet)),
    )
    if not to_explain:
        _check_patience(sheet, routes, rules.destinations)
    if sheet.flaws:
        hidden = Redactor(references.found)
        in_order = sorted(sheet.flaws, key=lambda flaw: flaw.line)
        raise RulesUnreadable([hidden.text(flaw.said(name)) for flaw in in_order])
    _warn(sheet, rules)
    return replace(rules, warnings=tuple(flaw.said(name) for flaw in sheet.warnings))


def _check_patience(
    sheet: Sheet, routes: Iterable[tuple[Place, Route]], destinations: Mapping[str, Spec]
) -> None:
    """What is kept over quiet hours must not grow too old for its destination meanwhile."""
    for place, route in routes:
        if route.quiet is None or not route.quiet.hold:
            continue
        kept = longest_stretch(route.quiet).total_seconds() + _HOUR  # the night that clocks are put back
        for called in sorted(route.to & destinations.keys()):
            gives_up = destinations[called].give_up_after
            if gives_up <= kept:
                sheet.flaw(
                    (*place, "quiet"),
                    f"alerts are kept for up to {kept / _HOUR:g}h, but {called} gives them up after "
                    f"{gives_up / _HOUR:g}h: raise its give_up_after, or let them drop",
                )


def _warn(sheet: Sheet, rules: Rules) -> None:
    """Point at what is never used."""
    routed = frozenset[str]().union(*(route.to for route in rules.routes))
    for called in rules.destinations:
        if called not in routed:
            sheet.warn(("destinations", called), "no route leads there, so it is told nothing")
    for at, route in enumerate(rules.routes[:-1]):
        if route.match == Match() and not route.goes_on:
            sheet.warn(("routes", at), "fits every alert and does not go on, so no later route is looked at")
            break
