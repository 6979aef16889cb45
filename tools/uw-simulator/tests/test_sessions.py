"""The conversation with one client, as transcripts."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uw_simulator.sessions import ANSWERED, Session, Verdict


def join(name: str) -> bytes:
    """Return a join as a client sends it."""
    return json.dumps({"channel": name, "msg_type": "join"}).encode()


def leave(name: str) -> bytes:
    """Return a leave."""
    return json.dumps({"channel": name, "msg_type": "leave"}).encode()


def test_join_and_leave():
    """A known channel is joined, joined again without harm, and left."""
    session = Session()

    assert session.hear(join("price:SPY"), limit=50) == (Verdict.JOINED, "price:SPY")
    assert session.hear(join("price:SPY"), limit=50) == (Verdict.ALREADY_JOINED, "price:SPY")
    assert session.hear(leave("price:SPY"), limit=50) == (Verdict.LEFT, "price:SPY")
    assert list(session.joined) == []


def test_a_join_over_the_limit_leaves_the_others_alone():
    """The fifty-first is refused, the fifty go on; leaving one makes room."""
    session = Session()
    for n in range(50):
        session.hear(join(f"price:T{n}"), limit=50)

    assert session.hear(join("news"), limit=50)[0] is Verdict.OVER_LIMIT
    assert len(session.joined) == 50
    session.hear(leave("price:T0"), limit=50)
    assert session.hear(join("news"), limit=50)[0] is Verdict.JOINED


def test_a_leave_may_be_passed_over():
    """One of three clients found that upstream does not know the word: the channel stays joined."""
    session = Session()
    session.hear(join("news"), limit=50)

    assert session.hear(leave("news"), limit=50, leaves=False) == (Verdict.LEAVE_IGNORED, "news")
    assert list(session.joined) == ["news"]
    assert Verdict.LEAVE_IGNORED not in ANSWERED


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (b"ping", Verdict.NOT_JSON),
        (b"\xff", Verdict.NOT_JSON),
        (b"[1]", Verdict.NOT_A_REQUEST),
        (b'{"channel":1,"msg_type":"join"}', Verdict.NOT_A_REQUEST),
        (b'{"channel":"price","msg_type":"phx_join"}', Verdict.NOT_A_REQUEST),
        (join("net_flow"), Verdict.UNKNOWN_CHANNEL),
    ],
)
def test_what_is_not_understood_is_passed_over(text: bytes, verdict: Verdict):
    """No answer, only a count."""
    session = Session()

    assert session.hear(text, limit=50)[0] is verdict
    assert verdict not in ANSWERED
    assert session.verdicts[verdict] == 1


@given(st.binary())
def test_no_frame_breaks_the_conversation(text: bytes):
    """Any bytes get a verdict."""
    session = Session()
    verdict, _ = session.hear(text, limit=50)

    assert session.verdicts[verdict] == 1
