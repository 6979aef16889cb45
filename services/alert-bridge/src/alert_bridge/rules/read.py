"""From the text of a rules file to the rules, or to everything that is wrong with it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

from alert_bridge.errors import RulesUnreadable
from alert_bridge.rules.destined import destinations_of
from alert_bridge.rules.document import read_document
from alert_bridge.rules.model import Match, Rules
from alert_bridge.rules.references import References
from alert_bridge.rules.sheet import Sheet
from alert_bridge.rules.watching import watches_of
from alert_bridge.rules.written import WrittenMute, WrittenRoute
from baleen_runtime.redact import Redactor


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
    rules = Rules(
        version=blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest(),
        destinations=destinations_of(sheet, None if to_explain else references),
        routes=tuple(written.route for _, written in sheet.all(WrittenRoute, "routes")),
        mutes=tuple(written.mute for _, written in sheet.all(WrittenMute, "mutes")),
        watches=tuple(watches_of(sheet)),
    )
    if sheet.flaws:
        hidden = Redactor(references.found)
        in_order = sorted(sheet.flaws, key=lambda flaw: flaw.line)
        raise RulesUnreadable([hidden.text(flaw.said(name)) for flaw in in_order])
    _warn(sheet, rules)
    return replace(rules, warnings=tuple(flaw.said(name) for flaw in sheet.warnings))


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
