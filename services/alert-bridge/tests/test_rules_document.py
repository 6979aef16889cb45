"""What a YAML text says, on which line, and what no text can do to its reader."""

from __future__ import annotations

from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_bridge.rules.document import MAX_BYTES, Document, path_of, read_document


def flaws(document: Document) -> list[str]:
    """What is wrong, as a person reads it."""
    return [flaw.said("r.yml") for flaw in document.flaws]


def test_a_value_is_the_text_that_stands_there():
    """No ticker is a truth, no time of day a number; nothing is written as nothing, ~ or null."""
    document = read_document(
        "symbols: [ON, NO, Y, 0700, 1e3]\nfrom: 22:00\nuntil: 2026-12-01T00:00:00Z\n"
        "none: ~\nempty:\ntext: 'null'\n"
    )

    assert document.data == {
        "symbols": ["ON", "NO", "Y", "0700", "1e3"],
        "from": "22:00",
        "until": "2026-12-01T00:00:00Z",
        "none": None,
        "empty": None,
        "text": "null",
    }


def test_every_value_has_its_line():
    """That of its key; what is missing has the line of what would hold it."""
    document = read_document("a:\n  - b: 1\n    c:\n      2\n  - {d: 3}\n")

    assert document.line_of(("a", 0, "b")) == 2
    assert document.line_of(("a", 0, "c")) == 3
    assert document.line_of(("a", 1, "d")) == 5
    assert document.line_of(("a", 1, "x", "y")) == 5
    assert document.line_of(("x",)) == 1
    assert path_of(("a", 0, "b")) == "a[0].b"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "r.yml:3: a: given twice, first in line 1"),
        ("a:\n  b: !!python/object:os.system x\n", "r.yml:2: a.b: tags, which begin"),
        ("a: !secret x\n", "r.yml:1: a: tags"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "r.yml:3: c: merging by << is not done"),
        ("? [a]\n: 1\n", "r.yml:1: a key is one word"),
        ("a: [1\nb: {2]\n", "r.yml:2: expected ',' or ']', but got ':'"),
        ("a: {url: ${DESK}}\n", 'inside braces, quote what holds a variable: "${NAME}"'),
        ("a:\n\t- b\n", "r.yml:2: found character"),
        ("a: *hunter2\n", "r.yml:1: found undefined alias something"),
        ("a: 1\n---\nb: 2\n", "r.yml:2: but found another document"),
        ("a: \x07\n", "r.yml:1: holds a character that YAML does not allow"),
        ("[" * MAX_BYTES, "r.yml:1: is nested deeper than 20 levels"),
        ("a: " + "[" * 40 + "]" * 40, "r.yml:1: is nested deeper than 20 levels"),
        ("a: &a [*a]\n", "is nested deeper than 20 levels"),
        ("a: " + "x" * MAX_BYTES, "r.yml:1: the file is larger than 256 KiB"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, said: str):
    """And without what the file holds: that could be a secret."""
    found = flaws(read_document(text))

    assert any(said in one for one in found)
    assert "hunter2" not in str(found)


def test_few_lines_cannot_stand_for_billions():
    """Aliases of aliases count each time they are used."""
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
    )
    began = perf_counter()

    assert flaws(read_document(laughs)) == [
        "r.yml:1: stands for more than 20000 values, aliases counted each time"
    ]
    assert perf_counter() - began < 5


def test_an_alias_is_the_value_that_it_names():
    """With the line of where it is used."""
    document = read_document("a: &hours {from: 1}\nb: *hours\n")

    assert document.data == {"a": {"from": "1"}, "b": {"from": "1"}}
    assert document.line_of(("b",)) == 2


@given(st.text("ab:-[]{},'\"#&*!|>%@`\n \t~?$", max_size=60) | st.text(max_size=30))
def test_no_text_makes_the_reader_fail(text: str):
    """It is data, or flaws, or both."""
    document = read_document(text)

    assert document.flaws or document.data is None or isinstance(document.data, dict | list | str)
