"""The published schema of `/alerts`, held against what is really taken."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from alert_bridge.errors import Refused
from alert_bridge.receive.schema import alert_schema
from alert_bridge.receive.shape import alert_from_json, read_object
from alert_bridge.receive.source import Source

NOW = datetime(2026, 4, 27, 14, 31, 2, tzinfo=UTC)
BOT = Source(name="bot", id="1" * 18, token="t" * 68, alert_type="usual")
VALIDATOR = Draft202012Validator(alert_schema(), format_checker=FormatChecker())


def is_taken(said: dict) -> bool:
    """Whether the bridge takes it, as it reads it from a body."""
    try:
        alert_from_json(read_object(json.dumps(said).encode()), key=None, sender=BOT, fresh_id="1", now=NOW)
    except Refused:
        return False
    return True


def test_it_is_a_schema():
    """Of the draft it names."""
    Draft202012Validator.check_schema(alert_schema())
    assert "received_at" not in alert_schema()["properties"]


@pytest.mark.parametrize(
    ("said", "good"),
    [
        ({}, True),
        ({"alert_type": "a", "symbol": None, "title": "", "embed": None, "labels": None, "extra": [1]}, True),
        ({"id": 5}, True),
        ({"id": "a-1", "labels": {"a": "b"}, "more_embeds": [{"title": "x"}]}, True),
        ({"occurred_at": "2026-04-27T14:31:02Z"}, True),
        ({"alert_type": "a" * 65}, False),
        ({"title": "t" * 1_001}, False),
        ({"content": "c" * 20_001}, False),
        ({"embed": 5}, False),
        ({"labels": {"a": 1}}, False),
        ({"id": "a b"}, False),
        ({"more_embeds": [{}] * 21}, False),
    ],
)
def test_it_says_what_is_taken(said, good):
    """What it calls good is stored, and what it calls bad is refused."""
    assert VALIDATOR.is_valid(said) is is_taken(said) is good


values = (
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
)
named = st.dictionaries(
    st.sampled_from(
        ["alert_type", "symbol", "severity", "title", "content", "embed", "url", "labels", "extra"]
    ),
    values | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
    max_size=4,
)


@given(said=named)
def test_both_agree_on_anything(said):
    """Schema and bridge never differ on the kind of a field."""
    assert VALIDATOR.is_valid(said) == is_taken(said)
