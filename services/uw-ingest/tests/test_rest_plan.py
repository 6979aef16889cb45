"""The pace of REST: never faster than is useful, never more than is left, first what is wished."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uw_ingest.feeds.market_hours import MarketHours, Phase
from uw_ingest.rest.rest_plan import Question, Span, Spending, plan, questions_of, spans

NOW = datetime(2026, 7, 1, 0, 0, tzinfo=UTC)
SESSION = (datetime(2026, 7, 1, 13, 30, tzinfo=UTC), datetime(2026, 7, 1, 20, 0, tzinfo=UTC))
BEFORE = (SESSION[0] - timedelta(days=1), SESSION[1] - timedelta(days=1))
DAY: list[Span] = [
    (Phase.CLOSED, 28_800.0),
    (Phase.EXTENDED, 19_800.0),
    (Phase.REGULAR, 23_400.0),
    (Phase.EXTENDED, 14_400.0),
]
QUESTIONS = questions_of(movers_every=5.0, congress_every=15.0)


def test_the_day_ahead_is_known_phase_by_phase():
    """From 20:00 in New York: night, before the open, the session, after the close."""
    assert spans(MarketHours([BEFORE, SESSION]), NOW, NOW + timedelta(days=1)) == DAY
    assert spans(MarketHours(always_open=True), NOW, NOW + timedelta(hours=1)) == [(Phase.REGULAR, 3600.0)]
    assert spans(MarketHours(), NOW, NOW) == []


def test_with_quota_to_spare_everything_is_asked_as_often_as_is_useful():
    """The rest is left over, and told."""
    given = plan(QUESTIONS, DAY[2:], now=NOW, left=100_000)

    assert given.intervals == {q.name: pytest.approx(q.least) for q in QUESTIONS}
    assert given.forecast.unspent > 80_000
    assert given.forecast.ends_at is None


def test_a_closed_exchange_is_asked_more_slowly():
    """What is saved at night is spent in the session."""
    night = plan(QUESTIONS, DAY, now=NOW, left=6_000).intervals
    session = plan(QUESTIONS, DAY[2:], now=NOW, left=6_000 * 2 // 3).intervals

    assert night["movers"] > 3 * session["movers"]


def test_what_is_wished_is_asked_more_often_than_what_is_not():
    """At the same cost."""
    plain = plan(QUESTIONS, DAY[2:], now=NOW, left=2_000)
    wished = plan(QUESTIONS, DAY[2:], now=NOW, left=2_000, wished=["congress_trade"])

    assert wished.intervals["congress_recent"] < plain.intervals["congress_recent"] / 1.5
    assert wished.intervals["movers"] > plain.intervals["movers"]
    assert wished.forecast.planned == pytest.approx(plain.forecast.planned, abs=3)


def test_with_nearly_nothing_left_even_the_longest_intervals_are_stretched():
    """Ten calls for a day are ten calls, not none and not a hundred."""
    given = plan(QUESTIONS, DAY, now=NOW, left=10)

    assert sum(86_400 / every for every in given.intervals.values()) == pytest.approx(10, rel=0.01)
    assert plan(QUESTIONS, DAY, now=NOW, left=0).intervals == dict.fromkeys(given.intervals, 86_400.0)


def test_what_others_spend_is_left_to_them_and_forecast():
    """Half a call a second of others: ours get what remains; if nothing does, the end is foreseen."""
    given = plan(QUESTIONS, [(Phase.REGULAR, 10_000.0)], now=NOW, left=6_000, others=0.5)
    assert given.forecast.planned <= 1_000
    assert given.forecast.ends_at is None

    given = plan(QUESTIONS, [(Phase.REGULAR, 10_000.0)], now=NOW, left=2_500, others=0.5)
    assert given.forecast.ends_at == NOW + timedelta(seconds=5_000)


def test_the_spending_of_others_is_what_the_count_shows_beyond_our_own():
    """It takes some minutes to be believed, forgets what is long ago, and never falls below nothing."""
    spending = Spending()
    assert spending.others(0.0, 100, 10) == 0
    assert spending.others(100.0, 200, 20) == 0
    assert spending.others(600.0, 700, 70) == pytest.approx(540 / 600)
    assert spending.others(700.0, 10, 80) == 0
    assert spending.others(1_300.0, 20, 200) == 0


@given(
    left=st.integers(0, 100_000),
    lengths=st.lists(st.floats(60, 40_000), min_size=1, max_size=4),
    wished=st.sets(st.sampled_from(["market_mover", "congress_trade"])),
    movers=st.floats(0.5, 3_000),
    congress=st.floats(0.5, 3_000),
)
@settings(max_examples=300)
def test_a_plan_never_costs_more_than_is_left_nor_asks_faster_than_is_useful(
    left: int, lengths: list[float], wished: set[str], movers: float, congress: float
):
    """And it leaves nothing unspent that any question could use."""
    questions = questions_of(movers_every=movers, congress_every=congress)
    phases = [Phase.CLOSED, Phase.EXTENDED, Phase.REGULAR, Phase.EXTENDED]
    ahead = list(zip(phases, lengths, strict=False))
    given = plan(questions, ahead, now=NOW, left=left, wished=wished)

    cost, useful = 0.0, 0.0
    for turn, (phase, length) in enumerate(ahead):
        rest_left = left - cost
        here = plan(questions, ahead[turn:], now=NOW, left=max(int(rest_left), 0), wished=wished)
        cost += sum(length / every for every in here.intervals.values() if every < sum(lengths))
        useful += sum(length / question.least_in(phase) for question in questions)
    assert cost <= left + len(ahead) + 3
    assert cost >= 0.95 * min(left, useful) - len(ahead) - 3
    for question in questions:
        assert given.intervals[question.name] >= question.least_in(phases[0]) * 0.999


def test_a_question_is_calmer_where_its_feed_is():
    """Only the phases that are named differ."""
    question = Question("q", "f", 1.0, 10.0, 900.0, {Phase.CLOSED: 4.0})

    assert question.least_in(Phase.CLOSED) == 40.0
    assert question.least_in(Phase.REGULAR) == question.least_in(Phase.UNKNOWN) == 10.0
