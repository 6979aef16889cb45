"""Subjects are found by patterns as if each were looked at."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ws_gateway.bus.subjects import Subjects
from ws_gateway.topics import matches

TOKEN = st.sampled_from(["a", "b", "c"])
SUBJECT = st.lists(TOKEN, min_size=3, max_size=3).map(".".join)
TOPIC = st.lists(st.one_of(TOKEN, st.just("*")), min_size=3, max_size=3).map(".".join)


@given(st.sets(SUBJECT), st.sets(SUBJECT), st.sets(TOPIC, max_size=4))
def test_what_topics_mean_is_found_once(known: set[str], forgotten: set[str], topics: set[str]):
    """And what was forgotten is not."""
    subjects = Subjects()
    for subject in known:
        subjects.add(subject)
    for subject in known & forgotten:
        subjects.remove(subject)
    found = list(subjects.meant(topics))
    assert len(found) == len(set(found))
    kept = known - forgotten
    assert set(found) == {subject for subject in kept if any(matches(topic, subject) for topic in topics)}
