"""Identity: what is taken for the same message, and what is not."""

from datetime import timedelta
from typing import Any

import pytest

from baleen_contracts.catalogue import CATALOGUE, Entity, by_name, example
from baleen_contracts.message import Message

STORED = [entity for entity in CATALOGUE if entity.stream is not None]
UPSTREAM_OF_A_SYMBOL = [
    entity.name for entity in STORED if entity.producer == "uw-ingest" and "{symbol}" in entity.subject
]


def _message(name: str, **changes: Any) -> Message:
    entity = by_name(name)
    message = entity.model.model_validate({**example(entity), **changes})
    assert isinstance(message, Message)
    return message


@pytest.mark.parametrize("entity", STORED, ids=lambda entity: entity.name)
def test_identity_does_not_depend_on_when_it_was_heard(entity: Entity):
    """Socket, REST twin, second socket and restart all tell one message."""
    message = _message(entity.name)
    later = message.model_copy(update={"received_at": message.received_at + timedelta(hours=1)})

    assert message.message_id == later.message_id


@pytest.mark.parametrize("entity", STORED, ids=lambda entity: entity.name)
def test_an_id_fits_into_a_header_and_names_its_entity(entity: Entity):
    """Ids are unique in a stream, which dedupes over all its subjects."""
    identity = _message(entity.name).message_id

    assert identity.startswith(f"{entity.name}:")
    assert identity.isascii()
    assert identity.isprintable()
    assert " " not in identity


@pytest.mark.parametrize("name", UPSTREAM_OF_A_SYMBOL)
def test_two_symbols_are_two_messages(name: str):
    """The key of the subject is part of the identity, unless upstream gives an id."""
    one, other = _message(name, symbol="AAA"), _message(name, symbol="BRK.B")

    assert (one.message_id == other.message_id) == (name in {"option_trade", "flow_alert"})
    assert one.subject != other.subject


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("price", {"occurred_at": "2026-04-27T14:31:09Z"}),
        ("price", {"volume": 99}),
        ("gex", {"occurred_at": "2026-04-27T14:31:09Z"}),
        ("gex_strike", {"occurred_at": "2026-04-27T14:31:09Z"}),
        ("gex_strike", {"strike": 291}),
        ("gex_strike_expiry", {"expiry": "2025-01-31"}),
        ("gex_strike_expiry", {"occurred_at": "2026-04-27T14:31:09Z"}),
        ("interval_flow", {"occurred_at": "2026-04-27T14:31:09Z"}),
        ("interval_flow", {"interval_type": "otm_only"}),
        ("market_mover", {"occurred_at": "2026-04-27T14:31:09Z"}),
        ("feed_status", {"occurred_at": "2026-04-27T14:31:09Z"}),
        ("feed_status", {"state": "stale"}),
        ("market_tide", {"occurred_at": "2026-04-27T14:31:09Z"}),
        ("net_flow", {"occurred_at": "2026-04-27T14:31:09Z"}),
        ("dark_pool", {"price": 150.26}),
        ("dark_pool", {"size": 101}),
        ("dark_pool", {"volume": 1001}),
        ("dark_pool", {"sale_condition": "odd_lot_execution"}),
        ("news", {"headline": "Another"}),
        ("news", {"source": "aggregator"}),
        ("trading_halt", {"state": "resumed"}),
        ("custom_alert", {"symbol": None}),
        ("congress_trade", {"amount": "$15,001 - $50,000"}),
        ("congress_trade", {"owner": "spouse"}),
        ("raw", {"payload": {"days": 60}}),
        ("feed_gap", {"ended_at": "2026-04-27T14:31:09Z"}),
        ("dead_letter", {"replays": 1}),
        ("dead_letter", {"seq": 2}),
        ("redelivery", {"replays": 2}),
    ],
)
def test_a_newer_or_other_fact_is_another_message(name: str, change: dict[str, Any]):
    """Dedupe never swallows news."""
    assert _message(name).message_id != _message(name, **change).message_id


def test_a_print_is_the_same_on_the_socket_and_over_rest():
    """The socket tells neither tracking id nor market center, REST spells prices and settlement otherwise."""
    socket = _message("dark_pool", price="150.25", settlement="regular", tracking_id=None)
    rest = _message(
        "dark_pool",
        price="150.2500",
        settlement="regular_settlement",
        tracking_id=10_500_000_000_000,
        market_center="L",
        trf_executed_at=None,
        symbol="aapl",
    )

    assert socket.message_id == rest.message_id


def test_dark_and_lit_prints_never_meet():
    """Both stand in one stream, so the entity is part of the id."""
    assert _message("dark_pool").message_id != _message("lit_trade").message_id


def test_a_raw_payload_is_known_whatever_the_order_of_its_keys():
    """Upstream's field order is not significant."""
    assert (
        _message("raw", payload={"a": 1, "b": 2}).identity
        == _message("raw", payload={"b": 2, "a": 1}).identity
    )
