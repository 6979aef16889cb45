"""What is heard of a traceparent."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from baleen_runtime.traceparent import heard, heard_in

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"
_FORM = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def test_one_of_the_form_is_heard_as_it_is():
    """Whether it is sampled or not."""
    assert heard(GOOD) == GOOD
    assert heard(f"00-{TRACE}-{SPAN}-00") == f"00-{TRACE}-{SPAN}-00"


def test_of_a_later_version_what_is_known_is_heard():
    """As the specification asks; what stands behind is left out."""
    assert heard(f"cc-{TRACE}-{SPAN}-01-what-the-future-will-bring") == GOOD


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "garbage",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"{GOOD}-more",
        f"{GOOD}\r\nce-id: x",
        f"cc-{TRACE}-{SPAN}-01-{'x' * 600}",
    ],
)
def test_what_is_malformed_is_ignored(text):
    """A sender's mistake costs it the trace, and nothing else."""
    assert heard(text) is None


@settings(max_examples=60)
@given(st.one_of(st.text(), st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")))
@example(GOOD)
def test_nothing_else_ever_leaves(text):
    """Whatever comes, what goes on has the one form, and is heard the same again."""
    found = heard(text)
    assert found is None or (_FORM.fullmatch(found) and heard(found) == found)


@given(st.binary(max_size=80))
def test_a_header_of_any_bytes_breaks_nothing(value):
    """HTTP headers hold bytes."""
    found = heard_in([(b"host", b"x"), (b"traceparent", value)])
    assert found is None or _FORM.fullmatch(found)


def test_of_several_headers_none_is_believed():
    """Nobody knows which of two parents is the right one."""
    ours = (b"traceparent", GOOD.encode())
    assert heard_in([(b"host", b"x"), ours]) == GOOD
    assert heard_in([ours, ours]) is None
    assert heard_in([(b"host", b"x")]) is None
