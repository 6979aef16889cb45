"""The document of the language says what holds."""

import re
from pathlib import Path

import pytest

from baleen_contracts import CATALOGUE
from baleen_filters import FilterFlawed, compile_filter, fields_of
from baleen_filters.parser import MAX_DEPTH, MAX_LENGTH, MAX_LIST, MAX_PATH, MAX_TERMS

DOCUMENT = (Path(__file__).resolve().parents[3] / "docs" / "filters.md").read_text()


def _table(head: str) -> list[list[str]]:
    """The rows under the one that begins with *head*."""
    whole = DOCUMENT[DOCUMENT.index(f"| {head} |") :].partition("\n\n")[0]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in whole.splitlines()[2:]]


@pytest.mark.parametrize("row", _table("wanted"), ids=lambda row: row[0])
def test_an_example_compiles_over_some_message(row):
    """Every example of the table is a filter over the fields of one of the contracts."""
    text = row[1].strip("`")

    assert [entity.name for entity in CATALOGUE if _compiles(text, entity.model)]


def _compiles(text, model):
    try:
        return compile_filter(text, fields_of([model]))
    except FilterFlawed:
        return None


def test_the_limits_are_those_of_the_code():
    """Number for number."""
    assert [int(row[1].replace(",", "")) for row in _table("limit")] == [
        MAX_LENGTH,
        MAX_TERMS,
        MAX_DEPTH,
        MAX_LIST,
        MAX_PATH,
    ]


def test_the_python_example_is_true():
    """It runs, and its last line gives what the comment says."""
    code = re.search(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    assert code
    *before, last = code[1].strip().splitlines()
    names: dict[str, object] = {}
    exec("\n".join(before), names)  # noqa: S102 - our own document

    assert repr(eval(last.partition("#")[0], names)) == last.partition("#")[2].strip()  # noqa: S307
