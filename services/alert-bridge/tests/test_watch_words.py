"""What a watch says, how often, and where it looks: everything that is decided without a bus."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_bridge.rules.model import Once, Watch
from alert_bridge.rules.title import figure
from alert_bridge.watch.beginning import Missed, beginning
from alert_bridge.watch.ground import ground, meeting
from alert_bridge.watch.heard import Heard
from alert_bridge.watch.position import Position
from alert_bridge.watch.progress import Progress
from alert_bridge.watch.restraint import MOST_KEYS, Ceiling, Cooldown, Suppressed
from alert_bridge.watch.sentry import Sentries, Sentry, Verdict, mark_of
from alert_bridge.watch.words import alert_of, gap_of, summary_of
from baleen_bus import Delivered, GapReason
from baleen_bus.patterns import covers
from baleen_contracts.catalogue import CATALOGUE, streams
from baleen_filters import FieldType, compile_filter

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
TOKENS = st.sampled_from(["a", "b", "*"])
PATTERNS = st.tuples(st.lists(TOKENS, min_size=1, max_size=4), st.booleans()).map(
    lambda parts: ".".join([*parts[0], *([">"] if parts[1] else [])])
)
SUBJECTS = st.lists(st.sampled_from("ab"), min_size=1, max_size=6).map(".".join)


def heard(body, *, seq=7, subject="signal.v1.SPY", id_="signal:1", at="2026-01-02T12:00:00.123456789Z"):
    """A message as the bus brings it."""
    headers = {"Nats-Msg-Id": id_, "Nats-Time-Stamp": at}
    return Heard(Delivered(subject, "SIGNAL", seq, headers, json.dumps(body).encode()), "e1")


def watch(**said):
    """A watch of signals."""
    return Watch(
        **{"name": "w", "subject": "signal.>", "where": None, "alert_type": "t", "title": "x", **said}
    )


@given(PATTERNS, PATTERNS, SUBJECTS)
def test_the_meeting_of_two_patterns_is_what_both_match(one, other, subject):
    """For any subject: it is matched by both exactly if it is matched by their meeting."""
    both = covers(one, subject) and covers(other, subject)
    common = meeting(one, other)

    assert both == (common is not None and covers(common, subject))


def test_a_watch_reads_the_streams_it_needs_and_never_the_bridges_own():
    """Nobody reads more of a stream than some watch wants, and alerts wake nobody."""
    assert ground([watch(subject="uw.v1.flow_alert.>")]) == {"TAPE": {"uw.v1.flow_alert.*"}}
    assert ground([watch(subject="uw.v1.*.SPY")])["LATEST"] >= {"uw.v1.price.SPY"}
    assert ground([watch(subject="alert.v1.>"), watch(subject="dead.v1.>")]) == {}
    everything = ground([watch(subject=">")])
    assert set(everything) == set(streams()) - {"ALERT", "DEAD"}
    for entity in CATALOGUE:
        if entity.stream in everything:
            assert any(covers(pattern, entity.pattern) for pattern in everything[entity.stream])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1_250_000.0, "1.25 M"),
        (3e9, "3 B"),
        (-2_500_000, "-2.5 M"),
        (999_999, "999,999"),
        (590.0, "590"),
        (0.123456, "0.1235"),
        (True, "yes"),
        (7_010_000_000_000, "7.01 T"),
    ],
)
def test_figures_are_written_for_people(value, said):
    """Large ones are short, small ones exact enough."""
    assert figure(value) == said


@given(
    name=st.text(min_size=1, max_size=250),
    title=st.sampled_from(["{symbol} at {price}", "{a.b} {nothing} {{x}}", "{symbol}" * 90]),
    body=st.dictionaries(
        st.sampled_from(["symbol", "price", "a", "occurred_at", "note", "list"]),
        st.none()
        | st.booleans()
        | st.floats(allow_nan=False)
        | st.integers()
        | st.text()
        | st.just({"b": 1}),
    ),
    id_=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=250),
)
def test_any_message_makes_a_sound_alert(name, title, body, id_):
    """Whatever the names, titles and messages: the alert can travel, and is the same each time."""
    asked = watch(name=name, title=title)
    first = alert_of(asked, heard(body, id_=id_), key=None)

    again = alert_of(asked, heard(body, id_=id_), key=None)

    assert first.to_json() == again.to_json()
    assert len(first.title) <= 256
    assert first.subject.startswith("alert.v1.t.")
    assert first.received_at == datetime(2026, 1, 2, 12, 0, 0, 123456, UTC)


def test_titles_reach_into_nothing_but_fields():
    """A brace is the name of a field, never a way into Python."""
    said = alert_of(watch(title="{a.b} {__class__} {c.x}"), heard({"a": {"b": 5}, "c": "text"}), key=None)

    assert said.title == "5 ? ?"


def test_different_messages_and_watches_have_different_ids():
    """Also where their names are too long to stand in an id."""
    names, ids = ["a", "b", "x" * 300, "x" * 301], ["1", "2", "y" * 190, "y" * 191]
    made = {alert_of(watch(name=n), heard({}, id_=i), key=None).id for n in names for i in ids}

    assert len(made) == 16


def test_a_cooldown_is_over_to_the_second():
    """Equal keys within the time are one; another key is another; what is long past is forgotten first."""
    cooldown = Cooldown(Once(("symbol", "signal.kind"), 10.0))
    key = cooldown.key({"symbol": "SPY", "signal": {"kind": "x"}})
    cooldown.spoke(key, 100.0)

    assert key != cooldown.key({"symbol": "SPY"})
    assert [cooldown.allows(key, at) for at in (100.0, 109.9, 110.0)] == [False, False, True]
    assert cooldown.allows("other", 100.0)
    for number in range(MOST_KEYS):
        cooldown.spoke(str(number), 101.0)
    assert cooldown.allows(key, 102.0)
    assert len(cooldown._spoke) == MOST_KEYS


@given(st.lists(st.integers(0, 300), max_size=400).map(sorted), st.integers(1, 5))
def test_what_is_above_the_ceiling_is_all_in_the_summaries(seconds, most):
    """No second has more than the ceiling, and what is not allowed is told of once, in its own minute."""
    ceiling = Ceiling(most)
    allowed, told = [], []
    for second in seconds:
        told += ceiling.summaries(second - 2)
        if ceiling.allows(second):
            allowed.append(second)
    told += ceiling.summaries(10_000)

    assert all(allowed.count(second) == min(most, seconds.count(second)) for second in set(seconds))
    assert sum(each.alerts for each in told) == len(seconds) - len(allowed)
    for each in told:
        inside = [s for s in seconds if each.since <= s < each.until]
        assert 0 < each.alerts <= len(inside) - sum(each.since <= s < each.until for s in allowed)
    assert ceiling.summaries(20_000) == []


def test_a_summary_says_what_was_left_out():
    """How many, when, and of which watch."""
    said = summary_of(watch(), Suppressed(1234, 60, 120), most=20, place="S.e.")

    assert said.source == "watch:w"
    assert "1,234" in said.title
    assert "00:01:00 and 00:02:00" in said.embed["description"]


def test_a_sentry_judges_once_what_was_judged_before():
    """After it found an alert of number 9 on the bus, it begins with 10, and its cooldown goes on."""
    asked = watch(
        where=compile_filter("price > 1", {"price": FieldType.NUMBER}), cooldown=Once(("symbol",), 3_600.0)
    )
    cooldown = Cooldown(asked.cooldown)
    before = Sentry(asked, since=0, cooldown=cooldown, most=9)
    verdict, said = before.judge(heard({"symbol": "SPY", "price": 2}, seq=9))
    sentry = Sentry(asked, since=3, cooldown=Cooldown(asked.cooldown), most=9)
    sentry.remember(said, "SIGNAL.e1.")

    assert verdict is Verdict.TOLD
    assert sentry.judge(heard({"symbol": "QQQ", "price": 2}, seq=9)) is None
    assert sentry.judge(heard({"symbol": "SPY", "price": 2}, seq=10)) == (Verdict.COOLDOWN, None)
    assert sentry.judge(heard({"symbol": "QQQ", "price": 2}, seq=11))[0] is Verdict.TOLD
    assert sentry.judge(heard({"symbol": "IWM", "price": 0}, seq=12)) is None
    other = Sentry(asked, since=3, cooldown=None, most=9)
    other.remember(said, "SIGNAL.e2.")
    assert other.since == 3


def test_what_is_no_json_object_matches_no_filter_and_breaks_nothing():
    """A message of any bytes is judged."""
    broken = Heard(
        Delivered("signal.v1.X", "SIGNAL", 1, {"Nats-Time-Stamp": "2026-01-02T12:00:00Z"}, b"\xff["), "e"
    )

    assert broken.body == {}
    assert broken.id == "SIGNAL.e.1"
    assert alert_of(watch(title="{symbol}"), broken, key=None).title == "?"


def test_sentries_are_found_by_subject():
    """Only those whose pattern covers it."""
    sentries = Sentries()
    spy = Sentry(watch(subject="signal.v1.SPY"), since=0, cooldown=None, most=9)
    every = Sentry(watch(), since=0, cooldown=None, most=9)
    sentries.set((spy, every))

    assert sentries.under("signal.v1.SPY") == (spy, every)
    assert sentries.under("signal.v1.QQQ") == (every,)


def test_a_watch_that_looks_for_something_else_has_another_mark():
    """Its words and its cooldown may change without that."""
    fields = {"price": FieldType.NUMBER}
    plain = mark_of(watch())

    assert plain == mark_of(watch(title="y", cooldown=Once((), 5.0)))
    assert plain != mark_of(watch(name="other"))
    assert plain != mark_of(watch(subject="signal.v1.SPY"))
    assert plain != mark_of(watch(where=compile_filter("price > 1", fields)))


@given(st.lists(st.tuples(st.integers(0, 3), st.randoms()), max_size=30))
def test_a_position_never_passes_what_is_open(steps):
    """Whatever the order in which alerts are stored, everything up to the position is."""
    progress, open_ = Progress(10), []
    for seq, (alerts, chance) in enumerate(steps, 11):
        for _ in range(alerts):
            progress.began(seq)
            open_.append(seq)
        progress.judged(seq)
        while open_ and chance.random() < 0.6:
            done = open_.pop(chance.randrange(len(open_)))
            progress.ended(done)
        assert progress.done == (min(open_) - 1 if open_ else seq)
        assert progress.open == len(set(open_))


def test_where_reading_begins():
    """At the end the first time, at the position later, and anew in a stream that is another."""
    marks = {"m": 5}
    stood = Position("e1", 40, 0.0, marks)

    assert beginning(None, epoch="e1", last_seq=90).after == 90
    assert beginning(stood, epoch="e1", last_seq=90).after == 40
    anew = beginning(stood, epoch="e2", last_seq=90)
    assert (anew.after, anew.marks) == (0, {"m": 0})
    assert anew.missed == Missed(0, 0, GapReason.STREAM_RECREATED)
    back = beginning(stood, epoch="e1", last_seq=30)
    assert (back.after, back.missed) == (30, Missed(31, 40, GapReason.WENT_BACK))


def test_a_gap_is_said_in_words():
    """Which numbers, of which stream, and why."""
    said = gap_of("TAPE", "e1", 5, 1_234, reason="expired", at=NOON)

    assert "5 to 1,234" in said.embed["description"]
    assert said.labels == {"stream": "TAPE", "reason": "expired"}
