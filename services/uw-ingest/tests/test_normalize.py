"""From an upstream row to our words, family by family."""

from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baleen_contracts import Message
from baleen_contracts.congress_trade import CongressTrade
from baleen_contracts.equity_print import DarkPool
from baleen_contracts.flow_alert import FlowAlert
from baleen_contracts.gex import Gex, GexStrikeExpiry
from baleen_contracts.market_mover import MarketMover
from baleen_contracts.option_trade import OptionTrade
from baleen_contracts.price import Price
from baleen_contracts.raw import Raw
from uw_ingest.errors import Refused
from uw_ingest.normalize import REST, SOCKET, from_rest, from_socket
from uw_ingest.normalize.congress_trade import amount_range
from uw_ingest.normalize.market_mover import changed, left, movers
from uw_ingest.refusals import Refusal
from uw_simulator import samples

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
FRAMES = samples.socket_frames()
TRADE = FRAMES["option_trades"][0][1]


def said(channel: str, **changes: Any) -> Message:
    """The message of a channel's first captured frame, but for some fields."""
    _, payload = FRAMES[channel.partition(":")[0]][0]
    return from_socket(channel, {**payload, **changes}, NOW)


def refusal(channel: str, payload: dict[str, Any]) -> Refusal:
    """Why a payload is refused."""
    with pytest.raises(Refused) as refused:
        from_socket(channel, payload, NOW)
    return refused.value.reason


def test_an_option_trade_speaks_our_words():
    """Numbers are numbers, the OCC symbol is taken apart, side and sentiment come from the tags."""
    trade = said("option_trades")

    assert isinstance(trade, OptionTrade)
    assert (trade.symbol, trade.expiry, trade.option_type, trade.strike) == (
        "UVIX",
        date(2024, 9, 20),
        "call",
        25.0,
    )
    assert (trade.side, trade.sentiment, trade.price, trade.premium, trade.size) == (
        "bid",
        "bearish",
        0.01,
        1.0,
        1,
    )
    assert trade.occurred_at == datetime(2024, 9, 18, 14, 36, 7, 412000, tzinfo=UTC)
    assert trade.received_at == NOW
    assert trade.message_id == f"option_trade:{TRADE['id']}"
    assert trade.theoretical_price == 0.01
    assert trade.trade_codes == ("slan",)


@pytest.mark.parametrize(
    ("tags", "side", "sentiment"),
    [
        (["ask_side", "bullish"], "ask", "bullish"),
        (["bid_side"], "bid", "bearish"),
        (["ask_side"], "ask", "bullish"),
        (["mid_side", "neutral"], "mid", "neutral"),
        (["no_side"], "none", "neutral"),
        ([], "none", "neutral"),
        (None, "none", "neutral"),
    ],
)
def test_side_and_sentiment_come_from_the_tags(tags: list[str] | None, side: str, sentiment: str):
    """Without a sentiment tag a bought call is bullish and a sold one bearish."""
    trade = said("option_trades", tags=tags)

    assert isinstance(trade, OptionTrade)
    assert (trade.side, trade.sentiment) == (side, sentiment)


def test_a_sold_put_without_a_tag_is_bullish():
    """Sentiment depends on what was sold."""
    trade = said("option_trades", option_symbol="UVIX240920P00025000", tags=["bid_side"])

    assert isinstance(trade, OptionTrade)
    assert (trade.option_type, trade.sentiment) == ("put", "bullish")


def test_an_index_trade_without_an_underlying_price_is_whole():
    """Upstream withholds index levels as an empty text; weekly roots are a symbol of their own."""
    trade = said(
        "option_trades", underlying_price="", underlying_symbol="SPX", option_symbol="SPXW261120C06000000"
    )

    assert isinstance(trade, OptionTrade)
    assert trade.underlying_price is None
    assert trade.symbol == "SPXW"


def test_an_adjusted_contract_belongs_to_its_underlying():
    """A digit after the root marks a contract changed by a corporate action."""
    trade = said("option_trades", underlying_symbol="TSLA", option_symbol="TSLA1261120C00355000")

    assert isinstance(trade, OptionTrade)
    assert trade.symbol == "TSLA"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": None}, Refusal.MISSING_FIELD),
        ({"id": ""}, Refusal.MISSING_FIELD),
        ({"option_symbol": None}, Refusal.MISSING_FIELD),
        ({"option_symbol": 7}, Refusal.WRONG_TYPE),
        ({"option_symbol": "UVIX"}, Refusal.BAD_OPTION_SYMBOL),
        ({"option_symbol": "UVIX240931C00025000"}, Refusal.BAD_OPTION_SYMBOL),
        ({"price": "NaN"}, Refusal.OUT_OF_RANGE),
        ({"price": "-1"}, Refusal.OUT_OF_RANGE),
        ({"price": 1e300}, Refusal.OUT_OF_RANGE),
        ({"price": "cheap"}, Refusal.WRONG_TYPE),
        ({"price": []}, Refusal.WRONG_TYPE),
        ({"size": 10**18}, Refusal.OUT_OF_RANGE),
        ({"size": 1.5}, Refusal.WRONG_TYPE),
        ({"tags": 5}, Refusal.WRONG_TYPE),
        ({"tags": {"a": 1}}, Refusal.WRONG_TYPE),
        ({"executed_at": "noon"}, Refusal.WRONG_TYPE),
        ({"executed_at": None}, Refusal.MISSING_FIELD),
        ({"canceled": True}, Refusal.CANCELED),
    ],
)
def test_a_bad_trade_is_refused_with_a_reason(changes: dict[str, Any], reason: Refusal):
    """Each kind of nonsense has its word from the closed list."""
    assert refusal("option_trades", {**TRADE, **changes}) is reason


def test_a_row_is_not_changed_by_being_read():
    """The caller keeps its row as it was."""
    row = dict(TRADE)
    from_socket("option_trades", row, NOW)

    assert row == TRADE


def test_a_flow_alert_is_the_same_over_socket_and_rest():
    """The spellings differ, the contract does not: REST has texts for numbers, alert_rule for rule_name."""
    (alert,) = from_rest(
        "option-trades/flow-alerts", samples.rest_body("option-trades-flow-alerts.live"), NOW
    )

    assert isinstance(alert, FlowAlert)
    assert (alert.symbol, alert.rule, alert.strike, alert.premium) == ("QQQ", "RepeatedHits", 611.0, 143920.0)
    assert alert.occurred_at == datetime(2025, 10, 22, 20, 13, 52, 828000, tzinfo=UTC)
    assert alert.recorded_at == datetime(2025, 10, 22, 20, 27, 1, 354429, tzinfo=UTC)


def test_a_flow_alert_without_an_id_has_no_identity():
    """It could not be told from its repetition."""
    _, payload = FRAMES["flow-alerts"][0]

    assert refusal("flow-alerts", {**payload, "id": None}) is Refusal.NO_IDENTITY


def test_a_dark_pool_print_has_one_identity_over_socket_and_rest():
    """The socket gives neither id nor premium; the natural key is what both tell."""
    _, frame = FRAMES["off_lit_trades"][0]
    row = {**frame, "ticker": frame["symbol"], "premium": "15025.0000", "tracking_id": 0, "canceled": False}
    del row["symbol"]

    over_socket = from_socket("off_lit_trades", frame, NOW)
    (over_rest,) = from_rest("darkpool/recent", {"data": [row]}, NOW)

    assert isinstance(over_socket, DarkPool)
    assert isinstance(over_rest, DarkPool)
    assert over_socket.message_id == over_rest.message_id
    assert over_socket.premium == over_rest.premium == 15025.0
    assert over_rest.tracking_id is None


def test_a_price_without_a_ticker_takes_it_from_the_channel():
    """Older frames name the ticker nowhere else."""
    price = from_socket("price:SPY", {"close": "562.82", "time": 1726670327692, "vol": 1}, NOW)

    assert isinstance(price, Price)
    assert price.symbol == "SPY"
    assert refusal("price", {"close": "562.82", "time": 1726670327692}) is Refusal.MISSING_FIELD


def test_exposures_lose_their_long_names_and_their_blanks():
    """gamma_per_one_percent_move_oi is gamma_oi; an empty delta is no delta."""
    exposure = said("gex:SPY")

    assert isinstance(exposure, Gex)
    assert exposure.gamma_oi == -262444980.31
    assert exposure.delta_oi is None


def test_an_exposure_by_strike_and_expiry_has_its_own_subject():
    """One subject per strike and expiry, the strike in one spelling."""
    exposure = said("gex_strike_expiry:SPY", strike="592.50")

    assert isinstance(exposure, GexStrikeExpiry)
    assert exposure.subject == "uw.v1.gex_strike_expiry.SPY.2025-01-24.592%2E5"


def test_an_account_alert_leaves_the_account_behind():
    """Whose alert it is does not go on the bus."""
    _, payload = FRAMES["custom_alerts"][0]

    assert payload["user_id"].encode() not in said("custom_alerts").to_json()


def test_an_untyped_channel_is_carried_as_it_came():
    """Known channels without a contract, and those that were joined on purpose, go out raw."""
    board = said("periscope:SPX")
    joined = from_socket("weather:NYC", {"t": 1}, NOW, joined=True)

    assert isinstance(board, Raw)
    assert isinstance(joined, Raw)
    assert (board.channel, board.key, joined.subject) == ("periscope", "SPX", "uw.v1.raw.weather.NYC")
    assert board.payload == FRAMES["periscope"][0][1]
    assert refusal("weather:NYC", {"t": 1}) is Refusal.UNKNOWN_CHANNEL


def test_a_disclosure_is_the_same_from_both_endpoints():
    """The diff relies on it."""
    rows = [
        next(from_rest(f"congress/{name}", samples.rest_body(f"congress-{name}.doc"), NOW))
        for name in ("recent-trades", "late-reports")
    ]

    assert all(isinstance(row, CongressTrade) for row in rows)
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("$1,001 - $15,000", 1001, 15000),
        ("Over $50,000,000", 50_000_000, None),
        ("$1,000.50", 1000.5, None),
        ("undisclosed", None, None),
        (None, None, None),
    ],
)
def test_amounts_are_ranges_of_dollars(text: str | None, low: float | None, high: float | None):
    """As filed, and as numbers where there are any."""
    assert amount_range(text) == (low, high)


def test_a_late_disclosure_is_called_late():
    """More than 45 days after the trade."""
    (row,) = from_rest("congress/late-reports", samples.rest_body("congress-late-reports.live"), NOW)

    assert isinstance(row, CongressTrade)
    assert row.is_late is True
    assert row.politician == "Pat Ryan"
    assert row.subject == "uw.v1.congress_trade.ONSOLVE%20LLC"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(["NaN", "-inf", "1e999", "2024-09-18", "2024-09-18T14:36:07Z", "UVIX240920C00025000"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


MOVERS = {
    "data": {
        "last_updated": None,
        "top_gainers": [{"ticker": "A", "price": 110.0, "change": 10.0, "change_percent": 10.0, "volume": 5}],
        "top_losers": [{"ticker": "B", "price": 90.0, "change": -10.0, "change_percent": -0.1, "volume": 5}],
        "most_active": [{"ticker": "A", "price": 110.0, "change": 10.0, "change_percent": 10.0, "volume": 5}],
    }
}


def test_movers_stand_on_lists_and_move_in_percent():
    """Upstream does not document the unit of change_percent; price and change tell it."""
    winner, loser = movers(MOVERS, NOW)

    assert isinstance(winner, MarketMover)
    assert isinstance(loser, MarketMover)
    assert winner.lists == ("top_gainers", "most_active")
    assert (winner.rank, winner.change_percent, loser.change_percent) == (1, 10.0, -10.0)


def test_substitutes_for_movers_make_movers_too():
    """Net impact ranks by premium, the screener by its closes."""
    first = next(movers(samples.rest_body("market-top-net-impact.live"), NOW))
    (screened,) = movers(samples.rest_body("screener-stocks.doc"), NOW)

    assert isinstance(first, MarketMover)
    assert isinstance(screened, MarketMover)
    assert (first.lists, first.rank) == (("net_impact",), 1)
    assert screened.lists == ("top_losers",)
    assert screened.change_percent == pytest.approx(-3.5793)


def test_a_screened_row_that_does_not_say_how_it_moved_is_refused():
    """It stands on no list."""
    assert list(movers(samples.rest_body("screener-stocks.live"), NOW)) == [Refusal.MISSING_FIELD]


@given(VALUES)
def test_no_answer_can_make_movers_crash(body: Any):
    """Any JSON is movers or refusals."""
    for shape in (body, {"data": body}, {"data": [body]}, {"data": {"top_gainers": [body]}}):
        assert all(isinstance(row, MarketMover | Refusal) for row in movers(shape, NOW))


def test_a_mover_that_left_is_told_once_more_without_a_list():
    """So that the newest message per ticker never shows it for ever."""
    mover = next(movers(MOVERS, NOW))
    assert isinstance(mover, MarketMover)
    gone = left(mover, datetime(2026, 11, 21, 13, tzinfo=UTC))

    assert gone.lists == ()
    assert gone.message_id != mover.message_id
    assert changed(gone, mover)
    assert not changed(mover, mover)


def test_rest_answers_without_rows_are_refused_not_raised():
    """A body of another shape, rows that are no objects, an endpoint nobody uses."""
    assert list(from_rest("darkpool/recent", {"oops": 1}, NOW)) == [Refusal.NOT_ROWS]
    assert list(from_rest("darkpool/recent", "<html>", NOW)) == [Refusal.NOT_ROWS]
    assert list(from_rest("darkpool/recent", {"data": [1]}, NOW)) == [Refusal.BAD_PAYLOAD]
    assert list(from_rest("insider/transactions", {"data": [{}]}, NOW)) == [Refusal.UNUSED_ENDPOINT]


@given(st.data())
def test_no_value_in_any_field_can_make_a_normalizer_crash(data: st.DataObject):
    """Any captured frame with any fields spoilt is a message with a subject and an id, or a refusal."""
    name = data.draw(st.sampled_from(sorted(FRAMES)))
    channel, payload = FRAMES[name][0]
    spoilt = data.draw(st.dictionaries(st.sampled_from(sorted(payload)), VALUES, max_size=4))
    with suppress(Refused):
        message = from_socket(channel, {**payload, **spoilt}, NOW)
        assert message.subject
        assert message.message_id
        assert message.to_json()


@given(st.sampled_from(sorted(REST)), VALUES)
def test_no_answer_can_make_rest_crash(endpoint: str, body: Any):
    """Any JSON as an answer is rows or refusals."""
    for row in from_rest(endpoint, {"data": body}, NOW):
        assert isinstance(row, Message | Refusal)


def test_every_family_is_reachable():
    """No normalizer is left out of both doors."""
    assert len({*SOCKET.values(), *REST.values()}) == 15
