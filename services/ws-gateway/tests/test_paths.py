"""What was found per subject stays found until a topic that means the subject changes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ws_gateway.hub import paths
from ws_gateway.hub.paths import Paths
from ws_gateway.topics import flaw_of, matches

SUBJECTS = st.lists(st.sampled_from("ab"), min_size=1, max_size=4).map(".".join)
TOPICS = (
    st.lists(st.sampled_from(["a", "b", "*", ">"]), min_size=1, max_size=4)
    .map(".".join)
    .filter(lambda t: not flaw_of(t))
)


@given(st.lists(st.tuples(st.booleans(), SUBJECTS, TOPICS), max_size=40))
def test_a_change_forgets_what_its_topic_means_and_nothing_else(steps: list[tuple[bool, str, str]]):
    """However subjects and changes mix, exactly the subjects that a changed topic means are forgotten."""
    found: Paths[str] = Paths()
    expected: set[str] = set()
    for put, subject, topic in steps:
        if put:
            found.put(subject, subject)
            expected.add(subject)
        else:
            found.forget(topic)
            expected = {kept for kept in expected if not matches(topic, kept)}
        assert {kept for kept in expected if found.get(kept) == kept} == expected
        assert len(found) == len(expected)

    found.forget(">")
    assert not found._root.children  # what is forgotten leaves nothing behind


def test_ever_new_subjects_do_not_pile_up(monkeypatch):
    """The number of remembered subjects is bounded."""
    monkeypatch.setattr(paths, "MAX_PATHS", 3)
    found: Paths[int] = Paths()
    for number in range(10):
        found.put(f"a.{number}", number)
        assert len(found) <= 3
    assert found.get("a.9") == 9
    assert len(found._root.children["a"].children) == len(found)
