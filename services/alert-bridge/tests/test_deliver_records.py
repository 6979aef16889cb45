"""What is written down of alerts and accounts is read back as it was, and nothing else is believed."""

from __future__ import annotations

from datetime import UTC, datetime

import hypothesis.strategies as st
import pytest
from hypothesis import given

from alert_bridge.carried import Carried
from alert_bridge.deliver.breaker import Standing
from alert_bridge.deliver.changing import change_of, meant
from alert_bridge.deliver.counts import Counts
from alert_bridge.deliver.ends import End, Record, State, StrangeRecordError, read, written
from alert_bridge.deliver.letters import alert_of, letter_of
from alert_bridge.deliver.names import letters_to, record_of, replays_to
from alert_bridge.deliver.standing import Halt, Kept, digest_of, kept_as, kept_in
from alert_bridge.deliver.taking import Ended, Go, decided, gone, way_of
from alert_bridge.deliver.testing import an_alert, rules_for, spec
from alert_bridge.reasons import Suppressed
from alert_bridge.rules.decide import Memory, Send, Suppress
from baleen_contracts.fields import MAX_DEPTH

AT = datetime(2026, 4, 27, 14, 31, 2, 500_000, tzinfo=UTC)
SEND = Send("all")
MUTED = Suppress(Suppressed.MUTED, "all")


def record(state: State, **told) -> Record:
    """A record of the stream as it is."""
    return Record(state, AT, "e1", **told)


@given(
    st.sampled_from(State),
    st.none() | st.text(max_size=20),
    st.integers(0, 99),
    st.booleans(),
    st.none() | st.integers(100, 599),
)
def test_a_record_is_read_as_it_was_written(state, reason, attempts, alone, status):
    """Whatever is left out."""
    one = record(state, reason=reason, attempts=attempts, alone=alone, status=status)
    assert read(written(one)) == one


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"state":"gone","at":"2026-04-27","epoch":"e"}', b"\xff"]
)
def test_what_no_courier_wrote_is_no_record(body: bytes):
    """It is told apart, not guessed at."""
    with pytest.raises(StrangeRecordError):
        read(body)


def test_an_account_is_read_as_it_was_kept():
    """With what is open, and why it is stopped."""
    counts = Counts("e1", 10, 10)
    for seq in range(11, 16):
        counts.took(seq)
    counts.end(11, State.DELIVERED, None, again=2)
    counts.end(13, State.SUPPRESSED, "muted")
    counts.end(15, State.DEAD, "too_old")
    kept = Kept(
        "desk", counts, "2026-04-27T14:31:02.500Z", Standing.STOPPED, "404", "one", Halt("x", "y", "z", 3)
    )

    assert kept_in(kept_as(kept)) == kept
    assert list(counts.open) == [12, 14]
    assert counts.ended + len(counts.open) == counts.through - counts.since
    assert kept_in(b'{"name": "desk"}') is None
    assert kept_in(b"no") is None


@given(st.lists(st.integers(0, 9), max_size=60))
def test_an_account_always_adds_up(moves: list[int]):
    """Whatever is taken, ends or expires, in any order."""
    counts = Counts("e", 0, 0)
    for move in moves:
        if move < 5 or not counts.open:
            counts.took(counts.through + 1)
        elif move < 9:
            counts.end(list(counts.open)[move % len(counts.open)], State.DELIVERED, None)
        else:
            counts.expire(counts.through + 3)
        assert counts.ended + len(counts.open) == counts.through - counts.since


def test_an_alert_is_taken_once_and_in_order_and_ends_once():
    """Anything else is a defect, and said."""
    counts = Counts("e", 0, 0)
    counts.took(1)
    for wrong in (1, 3):
        with pytest.raises(ValueError, match="does not follow"):
            counts.took(wrong)
    counts.end(1, State.DELIVERED, None)
    with pytest.raises(KeyError):
        counts.end(1, State.DELIVERED, None)
    assert counts.expire(1) == 0


@pytest.mark.parametrize(
    ("found", "decision", "acked", "way"),
    [
        (None, SEND, False, Go(SEND)),
        (None, SEND, True, Ended(State.SUPPRESSED, Suppressed.NOT_ROUTED, 0)),
        (record(State.DELIVERED, again=1), SEND, True, Ended(State.DELIVERED, None, 1)),
        (record(State.DEAD, reason="too_old"), SEND, False, Ended(State.DEAD, "too_old", 0)),
        (record(State.SENDING), SEND, False, Go(SEND, 1)),
        (record(State.SENDING, again=2), SEND, False, Go(SEND, 3)),
        (record(State.WAITING), SEND, False, Go(SEND)),
        (record(State.WAITING), MUTED, False, Go(MUTED)),
        (record(State.SENDING, route="old"), MUTED, False, Go(Send("old"), 1)),
    ],
)
def test_the_way_of_an_alert_that_a_predecessor_may_have_had(found, decision, acked, way):
    """What has ended is counted, what may have been told is told with a doubt, the rest goes its way."""
    assert way_of(found, decision, acked=acked) == way


def test_what_is_gone_from_the_stream_is_lost_unless_its_end_is_written():
    """An acknowledgement is no end: a consumer passes over what the stream lets go."""
    records = {1: record(State.DELIVERED), 2: record(State.SENDING)}
    assert gone([1, 2, 3], records) == [(1, Ended(State.DELIVERED, None, 0)), (2, None), (3, None)]


def test_that_a_destination_is_stopped_is_not_told_to_itself():
    """Others are told; and nobody else can hide an alert from it that way."""
    told = {"alert_type": "destination_stopped", "labels": {"destination": "desk"}}
    ours = Carried(1, an_alert(1, source="alert-bridge", **told), AT)
    others = Carried(2, an_alert(2, source="bot", **told), AT)
    rules = rules_for("desk", "ops")

    assert isinstance(decided(rules, "desk", ours, Memory()), Suppress)
    assert isinstance(decided(rules, "ops", ours, Memory()), Send)
    assert isinstance(decided(rules, "desk", others, Memory()), Send)


def test_only_a_message_that_said_one_alert_is_changed():
    """And only where the destination can."""
    edit, delete = (an_alert(1, labels={f"discord.{what}": "17"}) for what in ("edits", "deletes"))
    own = record(State.DELIVERED, remote_id="m1", alone=True)
    shared = record(State.DELIVERED, remote_id="m1")

    assert change_of(edit, own, possible=True).remote_id == "m1"
    assert change_of(delete, own, possible=True).deletes
    for found, possible in (
        (own, False),
        (shared, True),
        (None, True),
        (record(State.DEAD, alone=True), True),
    ):
        assert change_of(edit, found, possible=possible).remote_id is None


@pytest.mark.parametrize(
    ("label", "seq"), [("17", 17), ("", None), ("x", None), ("-1", None), ("\u0663", None)]
)
def test_the_number_of_the_alert_that_is_meant(label: str, seq: int | None):
    """Anybody may post a label; only a plain number counts."""
    assert meant(an_alert(1, labels={"discord.edits_seq": label})) == seq


def test_names_on_the_bus_are_the_same_in_any_case():
    """And hold no character that would part a subject."""
    assert record_of(7, "Ops.Desk") == "7.ops=2Edesk"
    assert record_of(7, "desk", 2) == "7.desk.2"
    assert letters_to("Ops.Desk") == "dead.v1.alert.ops%2Edesk"
    assert replays_to("desk") == "dead.v1.redeliver.desk"


def test_a_changed_secret_makes_another_spec_and_the_digest_shows_none():
    """By it a stopped destination is known to have changed."""
    one, other = digest_of(spec("json://a/token-of-mine")), digest_of(spec("json://b/token-of-mine"))

    assert one == digest_of(spec("json://a/token-of-mine"))
    assert one != other
    assert "token" not in one


def test_an_alert_that_is_nested_too_deep_for_a_letter_is_named_in_it():
    """A letter holds an alert one level deeper; what the bus takes must not stop a destination for good."""
    embed = {}
    for _ in range(MAX_DEPTH - 1):
        embed = {"x": embed}
    carried = Carried(7, an_alert(7, embed=embed, title="Deep"), AT)
    end = End((7, 0), State.DEAD, "rejected", carried)

    letter = letter_of(end, "desk", "e1", AT)
    assert (letter.alert_id, letter.seq, letter.alert["title"]) == ("a7", 7, "Deep")
    assert "embed" not in letter.alert
    with pytest.raises(ValueError, match="alert_type"):
        alert_of(letter)
