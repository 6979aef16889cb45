"""The synthetic market: coherent in itself, repeatable, and in the shape of the captured frames."""

# ruff: noqa: S311 - a seeded market needs chance that repeats, not secrets

from __future__ import annotations

from datetime import UTC, date, datetime
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uw_simulator.market.market import Market
from uw_simulator.market.pricing import market_around, worth
from uw_simulator.market.universe import EXPOSED
from uw_simulator.samples import rest_body, socket_frames
from uw_simulator.twins import flow_alert_row, print_row

TODAY = date(2026, 11, 20)
NOW_MS = int(datetime(2026, 11, 20, 15, 0, tzinfo=UTC).timestamp() * 1000)
NULLABLE = {
    "alert_rule", "rule_name", "trade_code", "ext_hour_sold_codes", "sale_cond_codes", "trf_executed_at",
    "sector", "next_earnings_date", "marketcap", "er_time",
}  # fmt: skip


def market(seed: int = 7) -> Market:
    """Return a market of its own."""
    return Market(chance=Random(seed), today=TODAY, id_prefix="00000000-0000-4000-8000-")


@pytest.fixture(scope="module")
def running() -> Market:
    """A market that tests may ask without minding what was asked before."""
    return market()


@pytest.fixture(scope="module")
def trades() -> list[dict[str, Any]]:
    """Five thousand prints of a day, a second apart in groups of fifty."""
    made = market()
    return [orjson.loads(made.option_trade(NOW_MS + n // 50 * 1000)[1]) for n in range(5_000)]


def kind(value: Any) -> str:
    """Return a JSON type; whole numbers and others are one."""
    return (
        "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    )


def assert_same_shape(made: dict[str, Any], captured: dict[str, Any]) -> None:
    """Compare names and types; null only where upstream has it."""
    assert made.keys() == captured.keys()
    for key, value in captured.items():
        if value is not None and made[key] is not None:
            assert kind(made[key]) == kind(value), key
        else:
            assert key in NULLABLE, key


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("option_trades", lambda m: m.option_trade(NOW_MS)[1]),
        ("flow-alerts", lambda m: m.flow_alert(NOW_MS).payload),
        ("price", lambda m: m.price("SPY", NOW_MS)),
        ("gex", lambda m: m.gex("TSLA", NOW_MS)),
        ("gex_strike", lambda m: m.gex_strikes("SPY", NOW_MS, by_expiry=False)[0]),
        ("gex_strike_expiry", lambda m: m.gex_strikes("SPY", NOW_MS, by_expiry=True)[0]),
        ("lit_trades", lambda m: m.equity_print(NOW_MS, lit=True)[1]),
        ("off_lit_trades", lambda m: m.equity_print(NOW_MS, lit=False)[1]),
        ("market_tide", lambda m: m.tide.payload(NOW_MS)),
        ("net_flow", lambda m: m.ledgers["SPY"].net_flow_payload(NOW_MS)),
        ("interval_flow", lambda m: m.ledgers["SPY"].interval_payloads(NOW_MS)[0]),
        ("news", lambda m: m.news(NOW_MS)[0]),
        ("trading_halts", lambda m: m.halt(NOW_MS)),
    ],
)
def test_every_record_has_the_fields_and_types_of_the_captured_one(running: Market, name: str, made: Any):
    """Strings where upstream sends strings, numbers where it sends numbers, null only where it may be."""
    for _, captured in socket_frames()[name]:
        assert_same_shape(orjson.loads(made(running)), captured)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        (
            "option-trades-flow-alerts.live",
            lambda m: flow_alert_row(m.flow_alert(NOW_MS).payload, NOW_MS / 1000),
        ),
        (
            "darkpool-ticker.spy-2026-07-31.live",
            lambda m: print_row(m.equity_print(NOW_MS, lit=False)[1], NOW_MS / 1000),
        ),
        ("news-headlines.live", lambda m: m.news(NOW_MS)[1]),
        ("market-market-tide.live", lambda m: m.tide.rest_row("2026-11-20T10:00:00-05:00")),
    ],
)
def test_every_rest_row_has_the_fields_and_types_of_the_captured_one(running: Market, name: str, made: Any):
    """REST spells the same facts otherwise, and so does the simulator."""
    assert_same_shape(made(running), rest_body(name)["data"][0])


def test_a_premium_is_size_times_price_times_multiplier(trades: list[dict[str, Any]]):
    """Ten for XSP, a hundred for everybody else."""
    for trade in trades:
        multiplier = 10 if trade["underlying_symbol"] == "XSP" else 100
        assert float(trade["premium"]) == pytest.approx(trade["size"] * float(trade["price"]) * multiplier)


def test_the_volumes_by_side_add_up_to_the_volume(trades: list[dict[str, Any]]):
    """As in every captured frame; multi-leg volumes overlap."""
    for trade in trades:
        sides = [trade[f"{side}_vol"] for side in ("ask", "bid", "mid", "no_side")]
        assert sum(sides) == trade["volume"]


def test_the_volume_of_a_contract_grows_with_each_of_its_prints(trades: list[dict[str, Any]]):
    """Cumulative over the session, this print included."""
    seen: dict[str, int] = {}
    for trade in trades:
        before = seen.get(trade["option_symbol"])
        assert before is None or trade["volume"] == before + trade["size"]
        seen[trade["option_symbol"]] = trade["volume"]


def test_the_side_tag_agrees_with_the_market(trades: list[dict[str, Any]]):
    """Above the middle is ask side, below bid side, on it mid side; sentiment follows from side and type."""
    sides = set()
    for trade in trades:
        twice = (
            round(200 * float(trade["price"])),
            round(100 * (float(trade["nbbo_bid"]) + float(trade["nbbo_ask"]))),
        )
        side = trade["tags"][0]
        sides.add(side)
        if side == "no_side":
            continue
        assert (
            side
            == {1: "ask_side", -1: "bid_side", 0: "mid_side"}[(twice[0] > twice[1]) - (twice[0] < twice[1])]
        )
        bullish = (side == "ask_side") == (trade["option_type"] == "call")
        assert trade["tags"][1] == ("neutral" if side == "mid_side" else "bullish" if bullish else "bearish")
    assert sides == {"ask_side", "bid_side", "mid_side", "no_side"}


def test_index_roots_do_not_tell_their_level(trades: list[dict[str, Any]]):
    """The exchange does not let upstream pass it on."""
    for trade in trades:
        assert (trade["underlying_price"] == "") == ("index" in trade["tags"])


def test_identities_are_single_and_well_formed(trades: list[dict[str, Any]]):
    """No two prints share one."""
    identities = {trade["id"] for trade in trades}

    assert len(identities) == len(trades)
    assert {tuple(map(len, identity.split("-"))) for identity in identities} == {(8, 4, 4, 4, 12)}


def test_an_alert_refers_to_prints_that_were_told():
    """Ids, size, premium and window of the alert are those of its prints; the REST row tells the same."""
    made = market()
    for _ in range(50):
        alert = made.flow_alert(NOW_MS)
        told, prints = orjson.loads(alert.payload), [orjson.loads(payload) for payload in alert.prints]
        assert told["trade_ids"] == [trade["id"] for trade in prints]
        assert told["total_size"] == sum(trade["size"] for trade in prints)
        assert told["total_premium"] == pytest.approx(sum(float(trade["premium"]) for trade in prints))
        assert told["start_time"] == prints[0]["executed_at"]
        assert told["end_time"] == told["executed_at"] == prints[-1]["executed_at"]
        assert 0 <= told["end_time"] - told["start_time"] <= 520
        assert {trade["option_symbol"] for trade in prints} == {told["option_chain"]}
        row = flow_alert_row(alert.payload, NOW_MS / 1000)
        assert (row["id"], row["alert_rule"]) == (told["id"], told["rule_name"])
        assert float(row["total_premium"]) == told["total_premium"]


def test_some_alerts_have_a_rule_without_a_name():
    """A null that readers must take."""
    made = market()

    assert None in {orjson.loads(made.flow_alert(NOW_MS).payload)["rule_name"] for _ in range(100)}


def test_increments_of_flow_add_up_to_the_session():
    """`net_flow` and `market_tide` tell what happened since the last telling."""
    made, total, tide = market(), 0.0, 0.0
    for n in range(20):
        for _ in range(100):
            made.option_trade(NOW_MS + n)
        total += float(orjson.loads(made.ledgers["SPY"].net_flow_payload(NOW_MS + n))["net_call_prem"])
        tide += float(orjson.loads(made.tide.payload(NOW_MS + n))["net_call_premium"])

    assert total == pytest.approx(made.ledgers["SPY"].totals()[0] / 100)
    assert tide == pytest.approx(made.tide.totals()[0] / 100, abs=1)


def test_an_interval_is_restated_while_its_window_fills():
    """Same start, growing counts; a new window begins at nought."""
    made = market()
    ledger = made.ledgers["SPY"]
    start = NOW_MS - NOW_MS % 300_000
    first = orjson.loads(ledger.interval_payloads(start + 1_000)[0])
    for _ in range(500):
        made.option_trade(start + 2_000)
    second = orjson.loads(ledger.interval_payloads(start + 3_000)[0])
    third = orjson.loads(ledger.interval_payloads(start + 300_000)[0])

    assert first["start_time"] == second["start_time"] != third["start_time"]
    assert first["transactions"] == 0 < second["transactions"]
    assert third["transactions"] == 0


def test_gamma_of_calls_is_positive_and_of_puts_negative():
    """The sign that readers rely on; every strike of a burst has the same moment."""
    rows = [orjson.loads(row) for row in market().gex_strikes("SPY", NOW_MS, by_expiry=True)]

    assert all(float(row["call_gamma_oi"]) >= 0 >= float(row["put_gamma_oi"]) for row in rows)
    assert {row["timestamp"] for row in rows} == {NOW_MS}
    assert len({(row["expiry"], row["strike"]) for row in rows}) == len(rows) > 100


def test_movers_are_ranked():
    """Gainers fall, losers rise, the most active are sorted by volume; at most twenty each."""
    made = market()
    made.advance(3600)
    movers = made.movers()
    change = [row["change_percent"] for row in movers["top_gainers"]]

    assert change == sorted(change, reverse=True)
    assert movers["top_losers"][0]["change_percent"] <= movers["top_gainers"][-1]["change_percent"]
    assert {len(rows) for rows in movers.values()} == {20}


def test_disclosures_never_repeat():
    """Whoever diffs the table by natural key sees each of them once."""
    made = market()
    keys = ("name", "ticker", "transaction_date", "filed_at_date", "txn_type", "amounts", "issuer")
    rows = [tuple(row[key] for key in keys) for row in (made.disclosure() for _ in range(3_000))]

    assert len(set(rows)) == len(rows)


def test_the_same_seed_tells_the_same_story():
    """And another seed another one."""
    stories = [[market(seed).option_trade(NOW_MS)[1] for _ in range(3)] for seed in (1, 1, 2)]

    assert stories[0] == stories[1] != stories[2]


@settings(max_examples=200)
@given(
    spot=st.floats(1, 25_000), ratio=st.floats(0.5, 2), years=st.floats(-1, 3),
    volatility=st.floats(0.05, 1.5),
)  # fmt: skip
def test_options_are_worth_something_sensible(spot: float, ratio: float, years: float, volatility: float):
    """No price is negative, delta has its sign and bounds, and a call less a put is the forward."""
    strike = spot * ratio
    terms = {"spot": spot, "strike": strike, "years": years, "volatility": volatility}
    call, put = worth(**terms, is_call=True), worth(**terms, is_call=False)

    assert 0 <= call.theo <= spot * 1.0001
    assert put.theo >= 0
    assert 0 <= call.delta <= 1
    assert -1 <= put.delta <= 0
    assert call.gamma == put.gamma >= 0
    assert call.implied_volatility == put.implied_volatility > 0


@given(st.floats(0, 5_000), st.booleans())
def test_a_market_is_never_crossed(theo: float, penny: bool):
    """The bid may be nothing, the ask is above it, and the value lies between."""
    bid, ask = market_around(theo, penny=penny)

    assert 0 <= bid < ask
    assert bid <= theo * 100 + 1e-6 <= ask + 1e-6


def test_the_gamma_tickers_are_traded():
    """Exposure is told of instruments that exist."""
    assert set(EXPOSED) <= market().stocks.keys()
