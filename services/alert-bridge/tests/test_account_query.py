"""The query of a page of history: what it may say, and what it is told where it makes no sense."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_bridge.account.query import read_wanted, read_wanted_dead
from alert_bridge.account.wanted import Filters, Wanted, WantedDead
from alert_bridge.errors import Invalid
from baleen_contracts.alert import Alert, Severity

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_an_empty_query_asks_for_the_newest():
    """Nothing said is the newest hundred, of any kind."""
    assert read_wanted([], now=NOW) == Wanted(since=None, limit=100, filters=Filters())
    assert read_wanted_dead([], now=NOW) == WantedDead(destination=None, since=None, limit=100)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2h", NOW - timedelta(hours=2)),
        ("1.5d", NOW - timedelta(hours=36)),
        ("90S", NOW - timedelta(seconds=90)),
        ("417", 417),
        ("2026-11-20T23:00:00Z", datetime(2026, 11, 20, 23, tzinfo=UTC)),
        ("2026-11-20T23:00:00+02:00", datetime(2026, 11, 20, 21, tzinfo=UTC)),
        ("2026-11-20T23:00:00 02:00", datetime(2026, 11, 20, 21, tzinfo=UTC)),
        ("2026-11-20 23:00:00Z", datetime(2026, 11, 20, 23, tzinfo=UTC)),
        ("999999999d", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_since_is_a_duration_a_number_or_a_time(text, meant):
    """Whatever is meant is spelt in one of three ways; a plus that came as a space is understood."""
    assert read_wanted([("since", text)], now=NOW).since == meant


@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        ([("since", "yesterday")], "since", "2h"),
        ([("since", "2026-11-20T23:00:00")], "since", "needs a zone"),
        ([("since", "0001-01-01T00:00:00+14:00")], "since", "calendar"),
        ([("limit", "1001")], "limit", "1 to 1000"),
        ([("limit", "0")], "limit", "1 to 1000"),
        ([("limit", "-1")], "limit", "1 to 1000"),
        ([("limit", "ten")], "limit", "1 to 1000"),
        ([("severity", "loud")], "severity", "debug, info, warning, error, critical"),
        ([("type", "x" * 201)], "type", "200 characters"),
        ([("symbol", ",".join(f"S{n}" for n in range(51)))], "symbol", "50 names"),
        ([("q", "x" * 201)], "q", "200 characters"),
        ([("sincee", "2h")], "sincee", "there is no such parameter; there are since, limit"),
    ],
)
def test_what_makes_no_sense_is_named(query, field, says):
    """The sentence names the parameter and what it takes."""
    with pytest.raises(Invalid) as caught:
        read_wanted(query, now=NOW)

    assert [problem.field for problem in caught.value.problems] == [field]
    assert says in caught.value.problems[0].message


def test_all_that_is_wrong_is_told_at_once():
    """Nobody has to ask three times to learn of three mistakes."""
    with pytest.raises(Invalid) as caught:
        read_wanted([("since", "x"), ("limit", "x"), ("severity", "x")], now=NOW)

    assert [problem.field for problem in caught.value.problems] == ["since", "limit", "severity"]


@given(
    st.lists(st.tuples(st.sampled_from(["since", "limit", "type", "severity", "q"]), st.text()), max_size=6)
)
def test_no_text_breaks_the_reading(query):
    """Whatever stands in a query, it is read or refused with a reason."""
    with suppress(Invalid):
        wanted = read_wanted(query, now=NOW)
        assert 1 <= wanted.limit <= 1000
        assert wanted.since is None or isinstance(wanted.since, int) or wanted.since.tzinfo is UTC


def test_names_fit_in_any_case_and_any_of_them():
    """Several values of one name are alternatives; different names must all fit."""
    filters = read_wanted(
        [("type", "Flow,Halt"), ("type", "news"), ("symbol", "spy"), ("severity", "warning")], now=NOW
    ).filters

    def alert(**fields):
        given = {"alert_type": "flow", "source": "bot", "symbol": "SPY", "severity": "error"}
        return Alert(occurred_at=NOW, **{**given, **fields})

    assert filters.meets(alert())
    assert filters.meets(alert(alert_type="NEWS"))
    assert not filters.meets(alert(alert_type="other"))
    assert not filters.meets(alert(symbol=None))
    assert not filters.meets(alert(severity=None))
    assert not filters.meets(alert(severity="made up"))


def test_an_alert_without_a_severity_counts_as_info():
    """Whoever asks from info on sees what nobody graded."""
    alert = Alert(occurred_at=NOW, alert_type="flow", source="bot")

    assert Filters(severity=Severity.INFO).meets(alert)
    assert not Filters(severity=Severity.WARNING).meets(alert)


@pytest.mark.parametrize("text", ["sweep", "7.5 MILLION", "strike", "desk", "inner"])
def test_a_text_is_looked_for_where_people_read(text):
    """In the title, the content and every embed with its fields, in any case."""
    alert = Alert(
        occurred_at=NOW,
        alert_type="flow",
        source="bot",
        title="Big Sweep",
        content="7.5 million in puts",
        embed={"fields": [{"name": "Strike", "value": "590"}], "footer": {"text": "Desk 4"}},
        more_embeds=({"description": "the inner one"},),
        labels={"elsewhere": "hidden"},
    )

    assert read_wanted([("q", text)], now=NOW).filters.meets(alert)
    assert not read_wanted([("q", "hidden")], now=NOW).filters.meets(alert)
