"""What may be heard: a topic is allowed only if everything that it means is."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ws_gateway.doors.rights import ANYBODY, NOBODY, Identity
from ws_gateway.topics import matches

LETTERS = ("a", "b", "c")
SUBJECTS = [".".join(tokens) for length in (1, 2, 3, 4) for tokens in product(LETTERS, repeat=length)]
TOPICS = st.builds(
    lambda tokens, rest: ".".join([*tokens, ">"] if rest else tokens) or ">",
    st.lists(st.sampled_from([*LETTERS[:2], "*"]), min_size=0, max_size=3),
    st.booleans(),
)


def holder(*patterns: str) -> Identity:
    """Return somebody who may hear and say *patterns*."""
    return Identity("alice", patterns, patterns, admin=False, expires_at=None)


@given(TOPICS, st.lists(TOPICS, max_size=4))
def test_every_subject_of_an_allowed_topic_is_meant_by_a_pattern(topic: str, patterns: list[str]):
    """Nothing is heard by a wildcard that could not have been asked for by its name."""
    identity = holder(*patterns)
    meant = [subject for subject in SUBJECTS if matches(topic, subject)]
    if identity.may_subscribe(topic):
        assert all(any(matches(pattern, subject) for pattern in patterns) for subject in meant)
    assert identity.may_publish(topic) == identity.may_subscribe(topic)


@given(TOPICS, TOPICS)
def test_a_topic_within_one_pattern_is_allowed(topic: str, pattern: str):
    """Where one pattern alone means all that a topic means, the topic is allowed."""
    within = all(matches(pattern, subject) for subject in SUBJECTS if matches(topic, subject))
    # `c` stands only in subjects: no topic of the test is within a pattern by exhausting the letters
    if within and any(matches(topic, subject) for subject in SUBJECTS):
        deeper = not topic.endswith(">") or pattern.endswith(">")
        assert holder(pattern).may_subscribe(topic) or not deeper


@pytest.mark.parametrize(
    ("topic", "pattern", "allowed"),
    [
        ("uw.v1.price.SPY", "uw.v1.price.*", True),
        ("uw.v1.price.*", "uw.v1.price.SPY", False),
        ("uw.v1.>", "uw.v1.price.>", False),
        ("uw.v1.price.*", "uw.v1.>", True),
        ("uw.v1.gex.*", "uw.v1.*", False),
        (">", "*.>", False),
        ("*.>", ">", True),
        ("uw.v1.>", "uw.v1.*", False),
        ("uw.v1.*", "uw.v1.>", True),
        ("uw.v1", "uw.v1.>", False),
    ],
)
def test_a_wildcard_is_never_wider_than_the_pattern_that_allows_it(topic: str, pattern: str, allowed: bool):
    """Some pairs that are easily mistaken."""
    assert holder(pattern).may_subscribe(topic) is allowed


def test_anybody_may_everything_and_nobody_nothing():
    """Without tokens all is allowed; before a token nothing is."""
    assert ANYBODY.may_subscribe(">")
    assert ANYBODY.may_publish("command.v1.session.x")
    assert not any(NOBODY.may_subscribe(topic) or NOBODY.may_publish(topic) for topic in (">", "a", "a.*"))
