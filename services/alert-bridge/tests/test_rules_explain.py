"""What people are told of what the rules would do, and that it is what they do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_bridge.command import main
from alert_bridge.reasons import Suppressed
from alert_bridge.rules.decide import Hold, Memory, Send, Suppress, decide
from alert_bridge.rules.explain import explain
from alert_bridge.rules.model import Group, Match, Mute, Once, Quiet, Route, Rules
from baleen_contracts.alert import Alert, Severity

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
RULES = """
destinations:
  desk: {type: discord, url: "${NOBODY_SET_THIS}"}
  pager: {type: webhook, url: https://pager.test, secret: "file:/nowhere/secret"}
  ops: {type: apprise, url: "json://ops.test"}
routes:
  - name: urgent
    severity: error
    to: [desk, pager]
    go_on: true
  - name: flow
    types: [flow_alert, "whale*"]
    symbols: [SPY]
    where: labels.desk == "options"
    to: desk
    dedupe: {by: [symbol, headline], within: 5m}
    quiet: {zone: America/New_York, from: 22:00, until: 06:00}
  - {name: rest, to: ops, group: {wait: 30s}}
mutes:
  - {name: works, sources: grafana*, to: ops}
"""
matches = st.builds(
    Match,
    types=st.lists(st.sampled_from(["flow", "n*"]), max_size=1).map(tuple),
    symbols=st.lists(st.sampled_from(["SPY", "*"]), max_size=1).map(tuple),
    severity=st.none() | st.sampled_from(Severity),
)
places = st.sets(st.sampled_from(["desk", "ops"]), min_size=1).map(frozenset)
quiets = st.builds(
    Quiet,
    st.just(ZoneInfo("UTC")),
    st.sampled_from([time(0), time(11)]),
    st.sampled_from([time(12), time(13)]),
    unless=st.none() | st.just(Severity.ERROR),
    hold=st.booleans(),
)
routes = st.builds(
    Route,
    st.just("r"),
    matches,
    places,
    dedupe=st.none() | st.just(Once(("symbol",), 60)),
    quiet=st.none() | quiets,
    group=st.none() | st.just(Group((), 30, 5)),
    goes_on=st.booleans(),
)
mutes = st.builds(Mute, st.just("m"), matches, st.none() | st.just(NOON), st.none() | places)
alerts = st.builds(
    Alert,
    id=st.just("a"),
    alert_type=st.sampled_from(["flow", "news"]),
    source=st.just("bot"),
    symbol=st.none() | st.sampled_from(["SPY", "QQQ"]),
    severity=st.none() | st.sampled_from(["info", "critical", "odd"]),
    labels=st.sampled_from([{}, {"discord.edits": "1"}, {"discord.deletes": "1"}]),
    occurred_at=st.just(NOON),
    received_at=st.just(NOON),
)


@given(st.lists(routes, max_size=4), st.lists(mutes, max_size=2), alerts)
def test_an_explanation_ends_as_the_decision_does(
    all_routes: list[Route], all_mutes: list[Mute], alert: Alert
):
    """The last step is the reason, whatever the rules."""
    rules = Rules(destinations={"desk": None, "ops": None}, routes=tuple(all_routes), mutes=tuple(all_mutes))  # type: ignore[dict-item]

    for found in explain(rules, alert, NOON):
        decision = decide(rules, found.destination, alert, Memory(), now=NOON)
        last = found.steps[-1]
        assert found.decision == decision
        match decision:
            case Suppress(Suppressed.NOT_ROUTED):
                assert "no route is left" in last or "no later route" in last
            case Suppress(Suppressed.MUTED):
                assert last == 'mute "m" fits'
            case Suppress(Suppressed.QUIET_HOURS):
                assert last.endswith("dropped")
            case Hold(why="quiet_hours"):
                assert last.endswith("kept until then")
            case Hold():
                assert last.startswith("group: one digest")
            case Send():
                assert not last.startswith("group")
            case _:
                pytest.fail(f"not with an empty memory: {decision}")


def test_to_explain_with_a_memory_changes_nothing_in_it():
    """A running bridge may be asked what it would do next."""
    rules = Rules(
        destinations={"desk": None},  # type: ignore[dict-item]
        routes=(Route("r", Match(), frozenset({"desk"}), dedupe=Once(("symbol",), 60)),),
    )
    one, other = (
        Alert(id=i, alert_type="flow", source="bot", symbol="SPY", occurred_at=NOON) for i in ("1", "2")
    )
    memory = Memory()
    decide(rules, "desk", one, memory, now=NOON)

    for _ in range(2):
        (found,) = explain(rules, other, NOON, memory)
        assert found.verdict == "is not told: duplicate, the same by symbol as one received 0 s before it"
    assert memory.size == 1


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A rules file whose secrets nobody has."""
    path = tmp_path / "rules.yml"
    path.write_text(RULES)
    return path


def explained(capsys: pytest.CaptureFixture[str], rules: Path, alert: object, *also: str) -> str:
    """What the command prints about an alert."""
    file = rules.with_name("alert.json")
    file.write_text(json.dumps(alert))
    assert main(["explain", str(file), "--rules", str(rules), *also]) == 0
    return capsys.readouterr().out


def test_the_command_says_who_would_be_told_and_why(capsys: pytest.CaptureFixture[str], rules: Path):
    """Step by step, for each destination; no secret is needed, and nobody is told."""
    said = {"alert_type": "whale_sweep", "symbol": "spy", "title": "SPY sweep 571", "desk": "options"}
    out = explained(capsys, rules, said, "--at", "2026-11-20T23:00:00-05:00")

    assert (
        out
        == """\
1 of 3 destinations would be told, if none like it came before

desk is told later, at 2026-11-21T11:00:00Z, by the route "flow"
  route "urgent" does not fit: its severity is not said, which counts as info, below error
  route "flow" fits and leads here
  mute "works" is for other destinations
  dedupe: only the first of equal symbol 'spy', headline 'spy sweep' within 300 s
  quiet hours 22:00 to 06:00, and it is Fri 23:00 in America/New_York: quiet until Sat 06:00, kept until then

pager is not told: not_routed, no route leads there
  route "urgent" does not fit: its severity is not said, which counts as info, below error
  route "flow" fits, leads elsewhere and does not go on: no later route is looked at

ops is not told: not_routed, no route leads there
  route "urgent" does not fit: its severity is not said, which counts as info, below error
  route "flow" fits, leads elsewhere and does not go on: no later route is looked at
"""
    )


def test_the_command_takes_a_stored_alert_at_its_own_time(capsys: pytest.CaptureFixture[str], rules: Path):
    """So that what happened can be asked for again."""
    stored = Alert(
        id="1", alert_type="cpu", source="Grafana-7", symbol="QQQ", severity="critical",
        occurred_at=NOON, received_at=NOON,
    )  # fmt: skip
    out = explained(capsys, rules, json.loads(stored.to_json()))

    assert 'desk is told, by the route "urgent"' in out
    assert "route \"flow\" does not fit: its type 'cpu' is not flow_alert or whale*" in out
    assert 'ops is not told: muted, by the mute "works"' in out
    assert 'mute "works" does not fit' not in out


@pytest.mark.parametrize(
    ("alert", "said"),
    [
        ("{", "is no alert: the body is not JSON"),
        ("[]", "is no alert: "),
        ('{"symbol": "SPY"}', "is no alert: alert_type"),
        ('{"received_at": "soon", "alert_type": 7}', "is no alert: "),
        (None, "cannot be read: FileNotFoundError"),
    ],
)
def test_the_command_says_what_is_no_alert(
    capsys: pytest.CaptureFixture[str], rules: Path, alert: str | None, said: str
):
    """In one line, and ends with 1."""
    file = rules.with_name("alert.json")
    if alert is not None:
        file.write_text(alert)

    assert main(["explain", str(file), "--rules", str(rules)]) == 1
    assert said in capsys.readouterr().err


def test_the_command_wants_rules(
    capsys: pytest.CaptureFixture[str], rules: Path, monkeypatch: pytest.MonkeyPatch
):
    """By option or by the service's own variable; wrong ones are named by their lines."""
    file = rules.with_name("alert.json")
    file.write_text('{"alert_type": "cpu"}')
    monkeypatch.delenv("ALERT_BRIDGE_RULES", raising=False)
    assert main(["explain", str(file)]) == 1
    assert "--rules" in capsys.readouterr().err

    monkeypatch.setenv("ALERT_BRIDGE_RULES", str(rules))
    assert main(["explain", str(file)]) == 0
    rules.write_text("rutes: []\n")
    assert main(["explain", str(file)]) == 1
    assert "rules.yml:1: rutes: is not known here; did you mean routes?" in capsys.readouterr().err


def test_a_rules_file_is_checked(
    capsys: pytest.CaptureFixture[str], rules: Path, monkeypatch: pytest.MonkeyPatch
):
    """With its secrets, or without where nobody has them; every problem has its line."""
    monkeypatch.delenv("NOBODY_SET_THIS", raising=False)
    assert main(["rules", "check", str(rules)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "rules.yml:3: destinations.desk.url: the variable NOBODY_SET_THIS is not set in the environment",
        "rules.yml:4: destinations.pager.secret: /nowhere/secret cannot be read: FileNotFoundError",
    ]

    assert main(["rules", "check", str(rules), "--without-secrets"]) == 0
    said = capsys.readouterr()
    assert said.out == f"{rules} is sound: 3 destinations, 3 routes, 1 mute, 0 watches\n"
    assert said.err == ""
