"""Topics mean the same subjects as NATS patterns do."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ws_gateway.topics import TopicTree, cover, flaw_of, matches, meet, overlap

TOKENS = st.sampled_from(["a", "b", "c"])
SUBJECTS = st.lists(TOKENS, min_size=1, max_size=4).map(".".join)
TOPICS = st.builds(
    lambda tokens, rest: ".".join([*tokens, ">"] if rest else tokens),
    st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=4),
    st.booleans(),
)


def as_regex(topic: str) -> re.Pattern[str]:
    """Say the same pattern in another language."""
    parts = {"*": r"[^.]+", ">": r".+"}
    return re.compile(r"\.".join(parts.get(token, re.escape(token)) for token in topic.split(".")))


@given(TOPICS, SUBJECTS)
def test_a_topic_matches_what_its_regular_expression_matches(topic: str, subject: str):
    """`*` is one token, `>` one or more at the end."""
    assert matches(topic, subject) == bool(as_regex(topic).fullmatch(subject))


@given(st.lists(TOPICS, max_size=12), SUBJECTS)
def test_the_tree_finds_exactly_the_matching_topics(topics: list[str], subject: str):
    """The tree answers as asking every topic would, also after half of them were removed."""
    tree: TopicTree[int] = TopicTree()
    for number, topic in enumerate(topics):
        tree.add(topic, number)
    assert tree.match(subject) == {n for n, topic in enumerate(topics) if matches(topic, subject)}
    assert tree.means(subject) == any(matches(topic, subject) for topic in topics)

    for number, topic in enumerate(topics):
        if number % 2:
            tree.remove(topic, number)
    assert tree.match(subject) == {n for n, t in enumerate(topics) if not n % 2 and matches(t, subject)}


@given(st.lists(TOPICS, max_size=8))
def test_a_tree_whose_topics_are_all_removed_holds_nothing(topics: list[str]):
    """Nothing of a client that left stays behind."""
    tree: TopicTree[str] = TopicTree()
    for topic in topics:
        tree.add(topic, "x")
    for topic in topics:
        tree.remove(topic, "x")

    assert not tree


@given(TOPICS, TOPICS, SUBJECTS)
def test_topics_overlap_where_one_subject_is_meant_by_both(one: str, two: str, subject: str):
    """A common subject proves an overlap, whichever is asked first."""
    if matches(one, subject) and matches(two, subject):
        assert overlap(one, two)
    assert overlap(one, two) == overlap(two, one)


@given(TOPICS, TOPICS, SUBJECTS)
def test_where_topics_meet_is_what_both_mean(one: str, two: str, subject: str):
    """A subject is meant by both exactly where it is meant by what they share."""
    share = meet(one, two)

    assert (share is not None and matches(share, subject)) == (
        matches(one, subject) and matches(two, subject)
    )


@given(st.lists(TOPICS, min_size=1, max_size=4), SUBJECTS)
def test_a_cover_means_all_that_its_topics_mean(topics: list[str], subject: str):
    """No subject of any topic is outside; a topic alone is its own cover."""
    if any(matches(topic, subject) for topic in topics):
        assert matches(cover(topics), subject)
    assert cover(topics[:1]) == topics[0]


def test_a_cover_is_narrow():
    """What all topics begin with is kept."""
    assert cover(["uw.v1.price.A", "uw.v1.price.B"]) == "uw.v1.price.>"
    assert cover(["uw.v1.price.A", "signal.v1.A"]) == ">"


@pytest.mark.parametrize("topic", ["uw.v1.price.SPY", "uw.v1.>", "*.v1.*", ">", "signal.v1.BRK%2EB"])
def test_good_topics_have_no_flaw(topic: str):
    """Subjects, wildcards and encoded tokens may be subscribed to."""
    assert flaw_of(topic) is None


@pytest.mark.parametrize(
    "topic", ["", "a..b", ".a", "a.>.b", "a.b*", "a.>b", "a b", "a\x00b", "x" * 513, "a\n"]
)
def test_bad_topics_have_a_flaw(topic: str):
    """Empty tokens, misplaced wildcards, spaces, control characters and excess are refused in words."""
    assert flaw_of(topic)
