"""From YAML to rules: what each key means, every mistake with its line, and no secret in any sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_bridge.errors import RulesUnreadable
from alert_bridge.rules.model import Group, Match, Mute, Once, Quiet, Route, Rules, Watch
from alert_bridge.rules.read import read_rules
from alert_bridge.rules.title import fields_in, filled
from alert_bridge.rules.values import seconds
from baleen_contracts.alert import Severity

URL = "https://discord.com/api/webhooks/123456789012345678/s3cret-token-of-the-desk"
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DESK = 'destinations:\n  desk: {type: discord, url: "${DESK_WEBHOOK}"}\n'
ROUTE = "routes:\n  - {name: all, to: desk}\n"


def no_file(path: Path) -> str:
    """A machine without files."""
    raise FileNotFoundError(path)


def read(text: str, environ: Mapping[str, str] | None = None, **said: Any) -> Rules:
    """The rules of *text*."""
    given_ = {"DESK_WEBHOOK": URL} if environ is None else environ
    return read_rules(text, **{"name": "r.yml", "environ": given_, "read_file": no_file, **said})


def problems(text: str, **said: Any) -> list[str]:
    """All that is wrong with *text*."""
    with pytest.raises(RulesUnreadable) as caught:
        read(text, **said)
    return caught.value.problems


def test_a_route_may_say_everything_at_once():
    """Each key has its place in the rules."""
    rules = read(
        DESK
        + """
routes:
  - name: night shift
    types: [flow_alert, "whale*"]
    sources: bot
    symbols: [SPY, ON]
    severity: warning
    where: labels.desk == "options"
    to: [desk]
    dedupe: {by: [alert_type, labels.trade, headline], within: 1h30m}
    cooldown: {by: symbol, every: 90s}
    quiet:
      {zone: America/New_York, from: 22:00, until: 24:00, days: [mon, Tuesday], unless: critical, then: drop}
    group: {by: [symbol], wait: 30s, most: 7}
    go_on: true
  - {name: rest, to: desk}
mutes:
  - {name: works, sources: grafana, until: 2026-12-01T01:00:00+01:00, to: desk}
  - {name: noise, types: "debug_*"}
watches:
  - name: whales
    subject: uw.v1.flow_alert.>
    where: premium >= 500000
    alert_type: whale
    severity: error
    title: "{symbol} {premium}"
    cooldown: {by: symbol, every: 10m}
"""
    )
    first, rest = rules.routes
    assert (first.match.types, first.match.sources, first.match.symbols) == (
        ("flow_alert", "whale*"), ("bot",), ("SPY", "ON"),
    )  # fmt: skip
    assert first.match.severity is Severity.WARNING
    assert first.match.where is not None
    assert first.match.where.text == 'labels.desk == "options"'
    assert first == Route(
        "night shift",
        first.match,
        frozenset({"desk"}),
        dedupe=Once(("alert_type", "labels.trade", "headline"), 5_400),
        cooldown=Once(("symbol",), 90),
        quiet=Quiet(
            ZoneInfo("America/New_York"), time(22), time(0), frozenset({0, 1}), unless=Severity.CRITICAL
        ),
        group=Group(("symbol",), 30, 7),
        goes_on=True,
    )
    assert rest == Route("rest", Match(), frozenset({"desk"}))
    assert rules.mutes == (
        Mute("works", Match(sources=("grafana",)), datetime(2026, 12, 1, tzinfo=UTC), frozenset({"desk"})),
        Mute("noise", Match(types=("debug_*",))),
    )
    (watch,) = rules.watches
    assert watch == Watch(
        "whales", "uw.v1.flow_alert.>", watch.where, "whale", "{symbol} {premium}",
        severity=Severity.ERROR, cooldown=Once(("symbol",), 600),
    )  # fmt: skip
    assert rules.warnings == ()


def test_quiet_hours_hold_unless_they_are_told_to_drop():
    """Nothing is lost that nobody asked to lose."""
    rules = read(DESK + "routes:\n  - {name: a, to: desk, quiet: {zone: UTC, from: 22:00, until: 6:00}}\n")

    assert rules.routes[0].quiet == Quiet(ZoneInfo("UTC"), time(22), time(6), hold=True)


def test_secrets_come_from_the_environment_and_from_files():
    """In whole or in part, without the white space around."""
    rules = read(
        """
destinations:
  desk: {type: discord, url: "https://discord.com/api/webhooks/123456789012345678/${TOKEN}"}
  pager: {type: webhook, url: https://pager.test/hook, secret: "file:/run/secrets/pager", give_up_after: 12h}
""",
        {"TOKEN": " abc-def\n"},
        read_file={Path("/run/secrets/pager"): SIGNING + "\n"}.__getitem__,
    )
    desk, pager = rules.destinations["desk"], rules.destinations["pager"]

    assert desk.url.get_secret_value() == "https://discord.com/api/webhooks/123456789012345678/abc-def"
    assert pager.give_up_after == 43_200
    assert pager.secret.get_secret_value() == SIGNING  # type: ignore[union-attr]


def test_a_version_is_that_of_the_text():
    """By it reloads are told apart."""
    assert read(DESK).version == read(DESK).version != read(DESK + ROUTE).version


def in_route(said: str) -> str:
    """A file whose one route says that too."""
    return DESK + f"routes:\n  - {{name: a, to: desk, {said}}}\n"


def in_watch(subject: str, title: str) -> str:
    """A file of one watch."""
    return f"watches:\n  - {{name: a, subject: {subject}, alert_type: b, title: {title}}}\n"


FLAWED = [
    # the whole
    ("", "r.yml:1: expected destinations, routes, mutes, watches; destinations: {} says that nobody is told"),
    ("- a\n", "r.yml:1: expected destinations"),
    ("rutes: []\n", "r.yml:1: rutes: is not known here; did you mean routes?"),
    ("routes: {}\n", "r.yml:1: routes: expected a list"),
    ("destinations: []\n", "r.yml:1: destinations: expected an object"),
    ("mutes:\n" + "  - {name: x}\n" * 501, "r.yml:1: mutes: there may be 500, and not 501"),
    # destinations
    (
        "destinations: {Desk: {type: apprise, url: x}}\n",
        "r.yml:1: destinations.Desk: expected a name of small",
    ),
    ("destinations: {desk: discord}\n", "r.yml:1: destinations.desk: expected an object: type, url, …"),
    (
        "destinations: {desk: {type: discrod}}\n",
        "destinations.desk.type: is one of discord, webhook, apprise",
    ),
    ("destinations: {desk: {type: discord}}\n", "r.yml:1: destinations.desk.url: is needed"),
    (
        "destinations:\n  desk:\n    type: discord\n    ulr: x\n",
        "r.yml:4: destinations.desk.ulr: is not known here; did you mean url?",
    ),
    (
        DESK.replace("DESK_", "DSK_"),
        "r.yml:2: destinations.desk.url: the variable DSK_WEBHOOK is not set in the environment",
    ),
    ('destinations: {desk: {type: discord, url: "${A-B}"}}\n', "${…} holds the name of a variable"),
    (
        "destinations: {desk: {type: discord, url: file:/gone}}\n",
        "destinations.desk.url: /gone cannot be read: FileNotFoundError",
    ),
    (
        "destinations: {desk: {type: discord, url: file:gone}}\n",
        "destinations.desk.url: file: is followed by an absolute path",
    ),
    (
        DESK.replace("}\n", ", give_up_after: 30}\n"),
        "destinations.desk.give_up_after: expected a duration with its unit",
    ),
    # routes
    (DESK + "routes: [x]\n", "r.yml:3: routes[0]: expected an object: keys with values"),
    (DESK + "routes:\n  - to: desk\n", "r.yml:4: routes[0].name: is needed"),
    (DESK + "routes:\n  - name: a\n", "r.yml:4: routes[0].to: is needed"),
    (
        DESK + "routes:\n  - name: a\n    to:\n      - desk\n      - dsek\n",
        "r.yml:7: routes[0].to[1]: no destination is called so; did you mean desk?",
    ),
    (
        DESK + ROUTE + "  - {name: all, to: desk}\n",
        "r.yml:5: routes[1].name: the one in line 4 is called the same",
    ),
    (in_route("typs: x"), "routes[0].typs: is not known here; did you mean types?"),
    (in_route("types: []"), "routes[0].types: expected a name or a list of names"),
    (in_route("severity: high"), "routes[0].severity: expected 'debug', 'info'"),
    (in_route("where: titel == 'x'"), 'routes[0].where: column 1: unknown field "titel"'),
    (in_route("where: [x]"), "routes[0].where: expected a filter"),
    (in_route("go_on: perhaps"), "routes[0].go_on: expected true or false"),
    (
        in_route("dedupe: {by: simbol, within: 5m}"),
        "routes[0].dedupe.by: no alert has the key 'simbol'; did you mean symbol?",
    ),
    (in_route("dedupe: {by: labels., within: 5m}"), "no alert has the key 'labels.'"),
    (in_route("dedupe: {within: 5m}"), "routes[0].dedupe.by: is needed"),
    (
        in_route("dedupe: {by: id, witin: 5m}"),
        "routes[0].dedupe.witin: is not known here; did you mean within?",
    ),
    (
        in_route("cooldown: {every: 5}"),
        "routes[0].cooldown.every: expected a duration with its unit, such as 30s",
    ),
    (in_route("cooldown: {every: 8d}"), "cooldown.every: expected more than nothing, and at most 7d"),
    (in_route("cooldown: {every: 0s}"), "cooldown.every: expected more than nothing"),
    (in_route("group: {wait: 2h}"), "group.wait: expected more than nothing, and at most 1h"),
    (in_route("group: {wait: 5s, most: many}"), "group.most: expected a whole number"),
    (in_route("group: {wait: 5s, most: 1}"), "group.most: expected greater than or equal to 2"),
    (in_route("quiet: {from: 1:00, until: 2:00}"), "routes[0].quiet.zone: is needed"),
    (
        DESK + "routes:\n  - name: a\n    to: desk\n    quiet:\n      zone: America/NewYork\n",
        "r.yml:7: routes[0].quiet.zone: no time zone is called so; did you mean America/New_York?",
    ),
    (in_route("quiet: {zone: America, from: 1:00, until: 2:00}"), "quiet.zone: no time zone"),
    (
        in_route("quiet: {zone: UTC, from: 10pm, until: 25:00}"),
        'quiet.from: expected a time of day, such as "22:00"',
    ),
    (in_route("quiet: {zone: UTC, from: 1:00, until: 24:30}"), "quiet.until: expected a time of day"),
    (in_route("quiet: {zone: UTC, from: 1:00, until: 1:00}"), "routes[0].quiet: these hours never end"),
    (
        in_route("quiet: {zone: UTC, from: 1:00, until: 2:00, days: [mo]}"),
        "quiet.days: expected days such as mon",
    ),
    (
        in_route("quiet: {zone: UTC, from: 1:00, until: 2:00, then: wait}"),
        "quiet.then: expected 'hold' or 'drop'",
    ),
    # mutes
    (DESK + "mutes:\n  - {name: a, until: 2026-12-01}\n", "mutes[0].until: expected a time with its zone"),
    (DESK + "mutes:\n  - {name: a, until: soon}\n", "mutes[0].until: expected a time with its zone"),
    (
        DESK + "mutes:\n  - {name: a, to: nowhere}\n",
        "mutes[0].to: no destination is called so; there are desk",
    ),
    # watches
    (in_watch("'>'", "c"), "watches[0].subject: it covers what the bridge itself says (alert, dead_letter"),
    (in_watch("alert.v1.x.SPY", "c"), "so a watch could wake itself"),
    (in_watch("uw.v1.floor.>", "c"), "subject: no subject of the catalogue fits it"),
    (in_watch("command.v1.session.x", "c"), "subject: no subject of the catalogue fits it"),
    (in_watch("uw.v1.price*", "c"), "a wildcard is a whole token"),
    (in_watch("uw..price", "c"), "a subject is tokens joined by dots"),
    (
        in_watch("uw.v1.price.>", "c, where: premium > 1"),
        'watches[0].where: column 1: unknown field "premium"',
    ),
    (in_watch("uw.v1.price.>", "'{pric}'"), "title: what is heard has no field 'pric'; did you mean price?"),
    (in_watch("uw.v1.price.>", "'{price.x}'"), "title: 'price' is a number: nothing follows it after a dot"),
    (in_watch("uw.v1.price.>", "'a {'"), "title: column 3: a brace holds the name of a field"),
    (
        in_watch("uw.v1.price.>", "c, cooldown: {by: ticker, every: 1m}"),
        "cooldown.by: what is heard has no field 'ticker'",
    ),
]


@pytest.mark.parametrize(("text", "said"), FLAWED)
def test_a_mistake_is_named_by_line_and_path(text: str, said: str):
    """With what was meant, where that can be guessed, and never with a secret."""
    found = problems(text)

    assert any(said in problem for problem in found), found
    assert URL not in str(found)
    assert all(problem.startswith("r.yml:") for problem in found)


def test_all_mistakes_are_named_in_their_order():
    """Whoever corrects a file does it once."""
    found = problems(
        "destinations:\n  desk: {type: discord}\nroutes:\n  - {name: a, to: dsek, where: x == 1}\n"
        "  - {nam: b, to: desk}\nmutes:\n  - 3\n"
    )

    assert [problem.split(": ")[0] for problem in found] == [
        "r.yml:2", "r.yml:4", "r.yml:4", "r.yml:5", "r.yml:5", "r.yml:7",
    ]  # fmt: skip


@given(st.text("abc/:?=&%$é_-", min_size=8, max_size=40).filter(str.strip))
def test_no_secret_gets_into_a_sentence(secret: str):
    """Whatever is wrong with the file: not by value, by variable, or by file."""
    whole = "https://x.test/" + secret + "!ending"
    text = """
destinations:
  a: {type: webhook, url: "${URL}", secret: "${URL}", allow_private: "${URL}", give_up_after: "${URL}"}
  b: {type: discord, url: "file:/secret", mentions: "${URL}", silent_below: "${URL}"}
  c: {type: webhook, url: "file:/secret", secret: "file:/secret", other: "${URL}"}
"""
    found = problems(text, environ={"URL": whole}, read_file=lambda _: whole)

    assert whole not in str(found)
    assert secret + "!ending" not in str(found)


def test_no_secret_gets_into_the_words_of_the_rules():
    """Their representation may be logged."""
    assert "s3cret" not in repr(read(DESK + ROUTE))


def test_nothing_is_kept_longer_than_its_destination_waits():
    """A quiet weekend is longer than a day, after which its alerts would be dead letters."""
    weekend = in_route("quiet: {zone: UTC, from: 0:00, until: 24:00, days: [sat, sun]}")

    (said,) = problems(weekend)
    assert said.startswith(
        "r.yml:4: routes[0].quiet: alerts are kept for up to 49h, but desk gives them up after 24h"
    )
    assert read(weekend.replace('"}', '", give_up_after: 3d}', 1)).routes
    assert read(weekend.replace("days", "then: drop, days")).routes


def test_what_is_never_used_is_pointed_at():
    """A destination that nobody routes to, and routes behind one that takes everything."""
    rules = read(
        DESK + "  ops: {type: apprise, url: 'json://ops.test'}\n" + ROUTE + "  - {name: b, to: desk}\n"
    )

    assert rules.warnings == (
        "r.yml:3: destinations.ops: no route leads there, so it is told nothing",
        "r.yml:5: routes[0]: fits every alert and does not go on, so no later route is looked at",
    )


def test_to_explain_needs_no_secret():
    """Names are enough for whoever tells nobody; everything else is checked as ever."""
    rules = read(DESK + ROUTE, {}, to_explain=True)

    assert list(rules.destinations) == ["desk"]
    assert "routes[0].to" in str(
        problems(DESK + "routes:\n  - {name: a, to: x}\n", environ={}, to_explain=True)
    )


WORDS = "destinations routes mutes watches name to type url quiet zone dedupe by within subject title every"
values = (
    st.none()
    | st.text(max_size=5)
    | st.sampled_from(["desk", "discord", "5m", "UTC", "1:00", "uw.v1.price.>"])
)


@given(
    st.recursive(
        values,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*WORDS.split(), "where", "x"]), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_no_data_makes_the_reader_fail(data: Any):
    """It is rules, or problems."""
    with suppress(RulesUnreadable):
        read(json.dumps(data))


@pytest.mark.parametrize(
    ("written", "meant"), [("30s", 30), ("5m", 300), ("1h30m", 5_400), ("1.5h", 5_400), ("1d", 86_400)]
)
def test_durations_have_units(written: str, meant: float):
    """One or several."""
    assert seconds(written) == meant


@pytest.mark.parametrize("written", ["", "5", "m", "5 m", "-5m", "5ms", "٣s", None, 5])
def test_what_is_no_duration_is_refused(written: object):
    """A bare number could mean anything."""
    with pytest.raises(ValueError, match="unit"):
        seconds(written)


def test_a_title_is_filled_with_the_fields_of_a_message():
    """Numbers as people write them; what is absent is marked; doubled braces stand for themselves."""
    message = {
        "symbol": "SPY",
        "premium": 1_250_000.0,
        "ratio": 0.123456,
        "size": 12_000,
        "signal": {"ok": True},
    }
    title = "{symbol} {premium} {ratio} {size} {signal.ok} {gone} {symbol.gone} {{x}}"

    assert filled(title, message) == "SPY 1.25 M 0.1235 12,000 yes ? ? {x}"
    assert fields_in(title) == ("symbol", "premium", "ratio", "size", "signal.ok", "gone", "symbol.gone")


def test_a_title_reaches_nothing_but_fields():
    """No attribute, no item, no conversion."""
    for title in ("{symbol!r}", "{symbol:>9}", "{0}", "{}", "{a b}", "{a"):
        with pytest.raises(ValueError, match="brace"):
            fields_in(title)
    assert filled("{symbol.__class__}", {"symbol": "SPY"}) == "?"
