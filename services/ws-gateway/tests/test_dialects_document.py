"""docs/dialects.md names tests as proof: each of them exists."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
DOCUMENT = Path(__file__).parents[3] / "docs" / "dialects.md"
_ROW = re.compile(r"^\| (S\d+-\d+) \| [^|]+ \| `(\w+\.py)::(\w+)` \|$", re.MULTILINE)


def missing(document: str) -> list[str]:
    """Return the ids of *document* whose test does not exist."""
    return [number for number, file, name in _ROW.findall(document) if name not in names_in(TESTS / file)]


def names_in(file: Path) -> set[str]:
    """Return the names of the tests in *file*."""
    if not file.exists():
        return set()
    found = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    functions = (node for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {function.name for function in functions if function.name.startswith("test_")}


def test_every_promise_of_the_document_has_its_test():
    """A table of proofs is worth something only while the proofs are there."""
    document = DOCUMENT.read_text(encoding="utf-8")
    rows = [line for line in document.splitlines() if re.match(r"\| S\d+-\d+ ", line)]
    read = [number for number, _, _ in _ROW.findall(document)]

    assert len(read) == len(rows) == len(set(read)) > 0
    assert missing(document) == []


@pytest.mark.parametrize(
    "row",
    [
        "| S9-1 | nothing | `test_dialect_flowmind.py::test_that_nobody_wrote` |",
        "| S9-1 | nothing | `test_no_such_file.py::test_every_number_a_widget_shows_is_a_json_number` |",
    ],
)
def test_a_promise_without_a_test_would_be_found(row: str):
    """The check itself rejects a row whose file or test is gone."""
    assert missing(row) == ["S9-1"]
