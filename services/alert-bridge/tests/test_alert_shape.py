"""From what was said to the alert contract: nothing is lost, everything wrong is named."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from alert_bridge.errors import Invalid, NotAllowed, Unreadable
from alert_bridge.receive.discord import read_post
from alert_bridge.receive.mint import Mint, snowflake_of
from alert_bridge.receive.shape import BridgedAlert, alert_from_json, alert_from_post, read_object
from alert_bridge.receive.sources import Source
from baleen_contracts.alert import Alert

NOW = datetime(2026, 4, 27, 14, 31, 2, 5, tzinfo=UTC)
BOT = Source(name="bot", id="1" * 18, token="t" * 68)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


def _nested(levels: int) -> Any:
    inner: Any = 1
    for _ in range(levels):
        inner = [inner]
    return inner


def shaped(said: dict, *, key: str | None = None, sender: Source | None = None) -> Alert:
    """The alert of a plain JSON request."""
    return alert_from_json(said, key=key, sender=sender, fresh_id="fresh", now=NOW)


@given(
    embed=st.dictionaries(st.text(max_size=5), json_values, max_size=3), more=st.lists(st.just({"a": [{}]}))
)
def test_embeds_travel_as_the_contract_has_them(embed: dict, more: list):
    """What is read from JSON need not be asked whether it is; it is written as any other alert's."""
    fields = {"alert_type": "a", "source": "s", "occurred_at": NOW, "embed": embed, "more_embeds": more[:20]}

    assert BridgedAlert.model_validate(fields).to_json() == Alert.model_validate(fields).to_json()


@pytest.mark.parametrize(
    "embed",
    [{"a": "\ud800"}, {"\ud800": 1}, {"a": 2**64}, {"a": _nested(65)}, {"a": [_nested(64)]}, {1: 2}, [], "x"],
)
def test_embeds_that_cannot_travel_are_refused_as_by_the_contract(embed: Any):
    """Halves of characters, large integers, deep nesting, and what is no object: the same words."""
    fields = {"alert_type": "a", "source": "s", "occurred_at": NOW, "embed": embed}
    with pytest.raises(ValidationError) as ours:
        BridgedAlert.model_validate(fields)
    with pytest.raises(ValidationError) as theirs:
        Alert.model_validate(fields)

    said = [[detail["msg"] for detail in error.value.errors()] for error in (ours, theirs)]
    assert said[0] == said[1]


def test_many_brackets_are_not_many_levels():
    """A wide embed is looked through, and taken."""
    wide = {"fields": [{"name": "{" * 70, "value": []} for _ in range(40)]}

    assert shaped({"alert_type": "a", "source": "s", "embed": wide}).embed == wide


def test_a_bare_alert_gets_time_and_id():
    """Type and source are enough; it occurred when it was received."""
    alert = shaped({"alert_type": "dp_alert", "source": "monitor"})

    assert (alert.id, alert.occurred_at, alert.received_at) == ("fresh", NOW, NOW)
    assert alert.subject == "alert.v1.dp_alert._"


def test_every_field_travels():
    """What the contract knows arrives under its own name."""
    alert = shaped(
        {
            "id": "a-1",
            "alert_type": "Gamma",
            "source": "engine",
            "symbol": "brk.b",
            "severity": "warning",
            "title": "t",
            "content": "c",
            "embed": {"fields": [{"name": "x", "value": None}], "color": 1},
            "occurred_at": "2026-04-27T10:00:00-04:00",
        }
    )

    assert alert.subject == "alert.v1.gamma.BRK%2EB"
    assert alert.id == "a-1"
    assert alert.embed == {"fields": [{"name": "x", "value": None}], "color": 1}
    assert alert.occurred_at == datetime(2026, 4, 27, 14, tzinfo=UTC)


def test_unknown_fields_become_labels():
    """A field that no alert has is kept, its value as JSON."""
    alert = shaped({"alert_type": "a", "source": "s", "strength": 0.5, "tags": ["x"], "labels": {"env": "p"}})

    assert alert.labels == {"strength": "0.5", "tags": '["x"]', "env": "p"}


def test_nulls_and_empty_texts_count_as_absent():
    """A bot that sends every field every time is not punished."""
    alert = shaped({"alert_type": "a", "source": "s", "symbol": "", "title": None, "embed": None, "id": None})

    assert (alert.symbol, alert.title, alert.embed, alert.id) == (None, None, None, "fresh")


@pytest.mark.parametrize(
    ("said", "field"),
    [
        pytest.param({"source": "s"}, "alert_type", id="missing-type"),
        pytest.param({"alert_type": "a"}, "source", id="missing-source"),
        pytest.param({"alert_type": "a", "source": "s", "embed": [1]}, "embed", id="embed-no-object"),
        pytest.param({"alert_type": "a", "source": "s", "title": {"x": 1}}, "title", id="title-no-text"),
        pytest.param(
            {"alert_type": "a", "source": "s", "occurred_at": "2026-04-27T14:00:00"},
            "occurred_at",
            id="naive",
        ),
        pytest.param({"alert_type": "a", "source": "s", "id": "a b"}, "id", id="id-with-space"),
        pytest.param({"alert_type": "a", "source": "s", "labels": {"x": 1}}, "labels.x", id="label-no-text"),
        pytest.param({"alert_type": "a" * 65, "source": "s"}, "alert_type", id="long-type"),
    ],
)
def test_what_is_wrong_is_named(said, field):
    """The sender is told which field, and never hears its own value back."""
    with pytest.raises(Invalid) as caught:
        shaped(said)

    assert field in [problem.field for problem in caught.value.problems]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"null", b"\xff", b'{"a": NaN}', b'{"a":"\\ud800"}', b"[" * 5000]
)
def test_a_body_that_is_no_object_is_unreadable(body):
    """Garbage is refused with a sentence, whatever it is."""
    with pytest.raises(Unreadable):
        read_object(body)


@pytest.mark.parametrize("by", ["id", "key"])
def test_an_id_is_its_senders_own(by):
    """Two bots that count from one do not swallow each other's alerts; each keeps the id it gave."""

    def named(name: str, source: str) -> Alert:
        said = {"alert_type": "a", "source": source}
        return shaped({**said, "id": name}) if by == "id" else shaped(said, key=name)

    for (name, source), (other_name, other_source) in [
        (("1", "mine"), ("1", "yours")),
        (("c", "a:b"), ("b:c", "a")),
        (("k", "p" * 64 + "1"), ("k", "p" * 64 + "2")),
    ]:
        one, other = named(name, source), named(other_name, other_source)
        assert (one.id, other.id) == (name, other_name)
        assert one.message_id != other.message_id
        assert one.message_id == named(name, source).message_id


def test_an_id_goes_before_a_key():
    """The body is the more exact of the two."""
    assert shaped({"alert_type": "a", "source": "mine", "id": "own"}, key="1").id == "own"


def test_a_wrong_key_is_named():
    """The header has rules of its own."""
    with pytest.raises(Invalid, match="Idempotency-Key"):
        shaped({"alert_type": "a", "source": "s"}, key="ä b")


def test_a_proven_sender_cannot_be_somebody_else():
    """The token says who it is; the body may repeat it, not change it."""
    assert shaped({"alert_type": "a"}, sender=BOT).source == "bot"
    assert shaped({"alert_type": "a", "source": "bot"}, sender=BOT).source == "bot"
    with pytest.raises(NotAllowed):
        shaped({"alert_type": "a", "source": "other"}, sender=BOT)


@given(
    embeds=st.lists(
        st.dictionaries(st.text(max_size=8), json_values, min_size=1, max_size=4), min_size=1, max_size=10
    )
)
def test_embeds_are_kept_verbatim(embeds):
    """Whatever a Discord embed holds is in the alert, untouched and in order."""
    alert = alert_from_post(read_post({"embeds": embeds}), key=None, sender=BOT, fresh_id="1", now=NOW)

    assert [alert.embed, *alert.more_embeds] == embeds
    assert Alert.model_validate_json(alert.to_json()).embed == alert.embed


@given(said=st.dictionaries(st.text(min_size=1, max_size=12), json_values, max_size=6))
def test_what_a_post_says_besides_is_kept(said):
    """Every other key of a Discord message is found again among the labels."""
    post = read_post({**said, "content": "hi"})
    alert = alert_from_post(post, key=None, sender=BOT, fresh_id="1", now=NOW)

    others = {key for key, value in said.items() if value is not None} - {"content", "embeds"}
    assert set(alert.labels) == {f"discord.{key}" for key in others}


def test_ids_are_shaped_as_discords_and_never_repeat():
    """A thousand in one millisecond differ, and a clash of two makers is excluded by their numbers."""
    mints = [Mint(1), Mint(2)]
    ids = [mint.fresh(NOW) for mint in mints for _ in range(1000)]

    assert len(set(ids)) == 2000
    assert all(snowflake_of(made) == made for made in ids)


@given(text=st.text(min_size=1, max_size=50))
def test_any_id_has_one_discord_shape(text):
    """A sender that named its alert itself still hears a number of 17 to 19 digits, always the same."""
    assert snowflake_of(text) == snowflake_of(text)
    assert 17 <= len(snowflake_of(text)) <= 19
    assert snowflake_of(text).isdigit()


@pytest.mark.parametrize("name", ["edits", "deletes", "edits_seq"])
def test_nobody_says_that_a_message_is_changed_but_by_changing_it(name: str):
    """The labels that make a destination edit or delete are ours: else anybody could delete anybody's."""
    label = f"discord.{name}"
    plain = shaped({"alert_type": "x", "source": "s", "labels": {label: "7"}})
    loose = shaped({"alert_type": "x", "source": "s", label: "7"})
    post = alert_from_post(
        read_post({"content": "c", name: "7"}), key=None, sender=BOT, fresh_id="fresh", now=NOW
    )

    for alert in (plain, loose, post):
        assert (label in alert.labels, alert.labels[f"said.{label}"]) == (False, "7")
