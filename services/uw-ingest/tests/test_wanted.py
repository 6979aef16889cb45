"""From what people wish for to what upstream is asked for."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baleen_bus.patterns import covers
from baleen_contracts import CATALOGUE, entity_of
from uw_ingest.channels import KINDS, POLLED_FEEDS
from uw_ingest.plan.wanted import MAX_TOPIC, MAX_TOPICS, Unserved, Wanted, channels_for, polled_for, topic_of

NOON = datetime(2026, 5, 4, 16, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Wished:
    """A wish as the bus brings it."""

    topic: str
    wisher: str = "me"
    kind: str = "team"
    until: datetime = NOON + timedelta(minutes=5)


def later(seconds: float) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def names(wants: list) -> list[str]:
    """The channels of some wants."""
    return [want.channel for want in wants]


TABLE = [
    ("uw.v1.option_trade.SPY", "option_trades:SPY", "option_trades"),
    ("uw.v1.price.SPY", "price:SPY", "price"),
    ("uw.v1.gex.SPY", "gex:SPY", "gex"),
    ("uw.v1.gex_strike.SPY.590", "gex_strike:SPY", "gex_strike"),
    ("uw.v1.gex_strike_expiry.SPY.2026-05-15.592%2E5", "gex_strike_expiry:SPY", "gex_strike_expiry"),
    ("uw.v1.flow_alert.SPY", "flow-alerts", "flow-alerts"),
    ("uw.v1.dark_pool.SPY", "off_lit_trades", "off_lit_trades"),
    ("uw.v1.lit_trade.SPY", "lit_trades", "lit_trades"),
    ("uw.v1.interval_flow.SPY.All", "interval_flow", "interval_flow"),
    ("uw.v1.trading_halt.SPY", "trading_halts", "trading_halts"),
    ("uw.v1.custom_alert._", "custom_alerts", "custom_alerts"),
    ("uw.v1.raw.periscope.SPX", "periscope:SPX", "periscope"),
    ("uw.v1.raw.interpolated_iv.SPY", "interpolated_iv:SPY", "interpolated_iv"),
    ("uw.v1.raw.contract_screener.SPY", "contract_screener", "contract_screener"),
    ("uw.v1.raw.futures_trades._", "futures_trades", "futures_trades"),
]


@pytest.mark.parametrize(("subject", "of_one", "of_all"), TABLE)
def test_a_subject_leads_to_its_channel_and_its_wildcard_to_the_channel_of_all(subject, of_one, of_all):
    """A ticker asks for the ticker where upstream has such a form, a wildcard for all of them."""
    wildcard = ".".join([*subject.split(".")[: 4 if ".raw." in subject else 3], ">"])

    assert channels_for(subject) == (of_one,)
    assert channels_for(wildcard) == (of_all,)
    assert covers(topic_of(of_one), subject) or subject.endswith("._")
    assert channels_for(topic_of(of_one)) == (of_one,)


@pytest.mark.parametrize(
    ("topic", "channels"),
    [
        ("uw.v1.net_flow.SPY", ("net_flow:SPY",)),
        ("uw.v1.market_tide._", ("market_tide",)),
        ("uw.v1.news._", ("news",)),
        ("uw.v1.news.*", ("news",)),
        ("uw.v1.gex.BRK%2EB", ("gex:BRK.B",)),
        ("uw.v1.raw.futures.ESU6", ("futures:ESU6",)),
        ("uw.v1.gex_strike.SPY.>", ("gex_strike:SPY",)),
        ("uw.v1.gex_strike.*.590", ("gex_strike",)),
        ("uw.v1.market_mover.*", ()),
        ("uw.v1.congress_trade.TSLA", ()),
        ("feed.v1.status.>", ()),
        ("alert.v1.>", ()),
        ("signal.v1.SPY", ()),
    ],
)
def test_topics_and_their_channels(topic: str, channels: tuple[str, ...]):
    """Tokens are read back, keys after the ticker do not matter, others' subjects need no channel."""
    assert channels_for(topic) == channels


def test_one_ticker_of_everything():
    """A wildcard for the entity takes each channel in its narrowest form, except what is raw."""
    assert set(channels_for("uw.v1.*.SPY")) == {
        "option_trades:SPY", "flow-alerts", "price:SPY", "gex:SPY", "lit_trades", "off_lit_trades",
        "net_flow:SPY", "trading_halts", "custom_alerts",
    }  # fmt: skip
    assert polled_for("uw.v1.*.SPY") == set(POLLED_FEEDS)


@pytest.mark.parametrize("topic", [">", "uw.>", "uw.v1.>", "*.v1.>"])
def test_everything_is_every_typed_channel_of_all_tickers(topic: str):
    """Raw channels are not swept in, since nobody who says everything means a futures add-on."""
    assert set(channels_for(topic)) == {k.name for k in KINDS.values() if k.typed and k.whole}
    assert polled_for(topic) == set(POLLED_FEEDS)


def test_everything_raw_is_what_can_be_had_of_all_tickers():
    """Asked for as raw, they come."""
    assert set(channels_for("uw.v1.raw.>")) == {k.name for k in KINDS.values() if not k.typed and k.whole}


@pytest.mark.parametrize(
    ("topic", "why"),
    [
        ("uw.v1.net_flow.*", "upstream wants a ticker here, such as uw.v1.net_flow.SPY"),
        ("uw.v1.raw.futures.>", "upstream wants a ticker here"),
        ("uw.v1.gex.spy", "tickers in subjects are upper case: uw.v1.gex.SPY"),
        ("uw.v1.gex.SP*", "'SP*' is no ticker"),
        ("uw.v1.gex._", "'_' is no ticker"),
        ("uw.v1.gex.%22%5D", "is no ticker"),
        ("uw.v1.raw.weather.NYC", "must be configured"),
        ("uw.v1.weather.NYC", "no message travels there"),
        ("uw.v1.news.SPY", "no message travels there"),
        ("uw.v2.gex.SPY", "no message travels there"),
        ("uw..gex", "no subject is written that way"),
        ("uw.>.gex", "no subject is written that way"),
        ("uw.v1.gex.SPY\n", "no subject is written that way"),
        ("", "no subject is written that way"),
        ("uw.v1.gex." + "X" * MAX_TOPIC, f"at most {MAX_TOPIC} characters"),
    ],
)
def test_a_wish_that_cannot_be_served_is_told_why(topic: str, why: str):
    """The reason names the cure where there is one."""
    found = channels_for(topic)

    assert isinstance(found, Unserved)
    assert why in found.why
    assert len(found.topic) <= MAX_TOPIC


@given(
    st.text(max_size=300)
    | st.from_regex(r"uw\.v1\.[a-z_*>]{1,12}(\.[A-Za-z0-9%*>_]{0,9}){0,3}", fullmatch=True)
)
def test_no_topic_makes_it_raise(topic: str):
    """Anything is a channel list or a refusal."""
    channels_for(topic)
    polled_for(topic)


@given(
    st.sampled_from([e for e in CATALOGUE if e.producer == "uw-ingest"]),
    st.sampled_from(["SPY", "A", "BRK%2EB"]),
)
def test_whatever_a_subject_of_ours_is_wished_as_its_channel_fills_it(entity, ticker):
    """Wishing for a subject joins a channel whose messages travel on it."""
    if entity.name in ("raw", "feed_status", "feed_gap", *POLLED_FEEDS):
        return
    subject = entity.pattern.replace("*", ticker, 1).replace("*", "1")
    (channel,) = channels_for(subject)

    assert entity_of(subject) is entity
    assert covers(topic_of(channel), subject)


def test_the_first_wish_counts_at_once_and_lingers_after_the_last():
    """A channel is wanted while wished for and two minutes longer; who comes back in time loses nothing."""
    wanted = Wanted((), linger=120)

    assert names(wanted.update([Wished("uw.v1.gex.SPY")], NOON)[0]) == ["gex:SPY"]
    (lingering,), _, _ = wanted.update([], later(119))
    assert (lingering.channel, lingering.by, lingering.configured) == ("gex:SPY", (), False)
    assert names(wanted.update([Wished("uw.v1.gex.SPY")], later(119.5))[0]) == ["gex:SPY"]
    assert names(wanted.update([], later(239))[0]) == ["gex:SPY"]
    assert wanted.update([], later(239.5))[0] == []


def test_a_wish_ends_by_our_own_clock():
    """Nobody tells that a wish expired; it says itself until when it holds."""
    wanted = Wanted((), linger=0)
    wish = Wished("uw.v1.gex.SPY", until=later(10))

    assert names(wanted.update([wish], later(9))[0]) == ["gex:SPY"]
    assert wanted.update([wish], later(10))[0] == []


def test_a_clock_that_jumps_back_does_not_make_a_wish_linger_for_hours():
    """What was wished in the future was wished now at the latest."""
    wanted = Wanted((), linger=120)
    wanted.update([Wished("uw.v1.gex.SPY", until=later(9000))], later(7200))

    assert names(wanted.update([], NOON)[0]) == ["gex:SPY"]
    assert wanted.update([], later(121))[0] == []


def test_configured_channels_come_first_then_those_most_wish_for():
    """The order is that in which they are served when not all fit."""
    wants, unserved, polled = Wanted(("news", "price")).update(
        [
            Wished("uw.v1.gex.SPY", "a"),
            Wished("uw.v1.gex.TSLA", "a"),
            Wished("uw.v1.gex.TSLA", "b"),
            Wished("uw.v1.gex.TSLA", "b", kind="gateway"),
            Wished("uw.v1.price.*", "b"),
        ],
        NOON,
        {"gex:SPY": 3.5},
    )

    assert names(wants) == ["news", "price", "gex:TSLA", "gex:SPY"]
    assert [want.by for want in wants] == [
        (), ("team/b",), ("gateway/b", "team/a", "team/b"), ("team/a",),
    ]  # fmt: skip
    assert [want.configured for want in wants] == [True, True, False, False]
    assert wants[3].weight == 3.5
    assert (unserved, polled) == ([], frozenset())


def test_a_wish_for_a_polled_feed_is_interest_without_a_channel():
    """It tells how often to poll, and lingers like the others."""
    wanted = Wanted(())

    assert wanted.update([Wished("uw.v1.market_mover.*")], NOON) == ([], [], frozenset({"market_mover"}))
    assert wanted.update([], later(60))[2] == {"market_mover"}
    assert wanted.update([], later(121))[2] == frozenset()


def test_what_only_configured_channels_can_fill_is_filled_by_those():
    """A wildcard where upstream wants a ticker gets the tickers there are; an unknown channel what it has."""
    wanted = Wanted(("net_flow:SPY", "weather:NYC"))
    wants, unserved, _ = wanted.update([Wished("uw.v1.net_flow.*"), Wished("uw.v1.raw.weather.>")], NOON)

    assert unserved == []
    assert [(want.channel, want.by) for want in wants] == [
        ("net_flow:SPY", ("team/me",)), ("weather:NYC", ("team/me",)),
    ]  # fmt: skip


def test_refusals_name_all_who_wished():
    """One refusal a topic."""
    wishes = [Wished("uw.v1.net_flow.*", "a"), Wished("uw.v1.net_flow.*", "b"), Wished("no.such")]
    _, unserved, _ = Wanted(()).update(wishes, NOON)

    assert [(one.topic, one.by) for one in unserved] == [
        ("no.such", ("team/me",)), ("uw.v1.net_flow.*", ("team/a", "team/b")),
    ]  # fmt: skip


def test_a_wisher_is_heard_up_to_a_limit_and_what_was_heard_stays():
    """The excess is refused by name; a later wish displaces no earlier one, and nobody else's."""
    wanted = Wanted(())
    first = [Wished(f"uw.v1.gex.T{n}") for n in range(MAX_TOPICS)]
    assert wanted.update(first, NOON)[1] == []

    wants, unserved, _ = wanted.update(
        [Wished("uw.v1.gex.A"), *first, Wished("uw.v1.gex.A2", "other")], later(1)
    )
    assert [(one.topic, one.by) for one in unserved] == [("uw.v1.gex.A", ("team/me",))]
    assert "too many" in unserved[0].why
    assert set(names(wants)) == {f"gex:T{n}" for n in range(MAX_TOPICS)} | {"gex:A2"}


def test_a_flood_of_wishes_is_refused_in_a_few_words():
    """A hundred thousand topics do not make a hundred thousand refusals."""
    flood = [Wished(f"uw.v1.gex.T{n}") for n in range(20_000)]
    wants, unserved, _ = Wanted(()).update(flood, NOON)

    assert len(wants) == MAX_TOPICS
    assert 0 < len(unserved) < 50
