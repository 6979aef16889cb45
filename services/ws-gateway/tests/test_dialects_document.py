"""docs/dialects.md names tests as proof: each of them exists, and no promise is passed over."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ROOT = TESTS.parents[2]
DOCUMENT = ROOT / "docs" / "dialects.md"
PROMISES = {"S0": 45, "S1": 82, "S2": 135, "S3": 77, "S4": 34}
"""How many promises each application's list has; they are numbered from 1."""
_ROW = re.compile(r"^\| (S\d+-\d+) \| [^|]+ \| `([\w/.-]+\.py)::(\w+)` \|$", re.MULTILINE)
_ELSEWHERE = re.compile(r"^\| (S\d+)-(\d+)(?: to S\d+-(\d+))? \| [^|]+ \|$", re.MULTILINE)


def missing(document: str) -> list[str]:
    """Return the ids of *document* whose test does not exist."""
    return [number for number, file, name in _ROW.findall(document) if name not in names_in(where(file))]


def where(file: str) -> Path:
    """Return the path of a test file, which is the gateway's where it names no folder."""
    return (ROOT if "/" in file else TESTS) / file


@cache
def names_in(file: Path) -> set[str]:
    """Return the names of the tests in *file*."""
    if not file.exists():
        return set()
    found = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    functions = (node for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {function.name for function in functions if function.name.startswith("test_")}


def told(document: str) -> list[str]:
    """Return the ids that *document* proves or says why not, as often as it does."""
    proven = [number for number, _, _ in _ROW.findall(document)]
    ranges = [(seed, int(low), int(high or low)) for seed, low, high in _ELSEWHERE.findall(document)]
    return proven + [f"{seed}-{number}" for seed, low, high in ranges for number in range(low, high + 1)]


def test_every_promise_of_the_document_has_its_test():
    """A table of proofs is worth something only while the proofs are there."""
    document = DOCUMENT.read_text(encoding="utf-8")
    rows = [line for line in document.splitlines() if re.match(r"\| S\d+-\d+ ", line)]

    assert len(rows) == len(_ROW.findall(document)) + len(_ELSEWHERE.findall(document)) > 0
    assert missing(document) == []


@pytest.mark.parametrize(("seed", "count"), PROMISES.items())
def test_every_promise_is_proven_or_said_to_be_somebody_elses(seed: str, count: int):
    """No number of an application's list is left out, and none is told twice."""
    mine = [number for number in told(DOCUMENT.read_text(encoding="utf-8")) if number.startswith(f"{seed}-")]

    assert sorted(mine) == sorted(f"{seed}-{number}" for number in range(1, count + 1))


@pytest.mark.parametrize(
    "row",
    [
        "| S9-1 | nothing | `test_dialect_flowmind.py::test_that_nobody_wrote` |",
        "| S9-1 | nothing | `test_no_such_file.py::test_every_number_a_widget_shows_is_a_json_number` |",
        "| S9-1 | nothing | `services/nobody/tests/test_dialect_flowmind.py::test_a_ping` |",
    ],
)
def test_a_promise_without_a_test_would_be_found(row: str):
    """The check itself rejects a row whose file or test is gone."""
    assert missing(row) == ["S9-1"]


def test_what_is_told_of_a_range_is_told_of_each():
    """The reading of the second table: one id, or all from one to another."""
    assert told("| S9-3 | words |\n| S9-5 to S9-7 | words |") == ["S9-3", "S9-5", "S9-6", "S9-7"]
