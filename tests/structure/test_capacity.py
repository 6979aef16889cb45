"""The figures of the capacity page are those of the benches, and its example is what its formula gives."""

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
CAPACITY, BENCH = ROOT / "docs" / "capacity.md", ROOT / "bench" / "README.md"
FROM_BENCH = "(../bench/README.md) |"
FIGURE = re.compile(r"`([^`]*\d[^`]*)`")


def not_in_bench(capacity: str, bench: str) -> list[str]:
    """Figures that the page says are the bench's, and are not."""
    rows = [line for line in capacity.splitlines() if line.endswith(FROM_BENCH)]
    cells = [row.split("|")[2] for row in rows]
    words = " ".join(bench.split())
    return [figure for cell in cells for figure in FIGURE.findall(cell) if figure not in words]


def snippet(capacity: str) -> str:
    """The formula."""
    found = re.search(r"```python\n(.*?)```", capacity, re.DOTALL)
    assert found is not None, "the page has no formula"
    return found[1]


def examples(capacity: str) -> Iterator[dict[str, float]]:
    """What the formula says of the page's examples."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        exec(snippet(capacity), {})  # noqa: S102 - our own page
    for line in told.getvalue().splitlines():
        yield yaml.safe_load(line)


def wrong_examples(capacity: str) -> list[str]:
    """Rows of the example that are not what the formula says."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capacity.splitlines()]
    plans = list(examples(capacity))
    wanted = [[name, *(f"{plan[name]:,}" for plan in plans)] for name in plans[0]]
    return [" | ".join(row) for row in wanted if row not in rows]


def test_what_is_said_to_be_the_bench_s_stands_there() -> None:
    """Whoever measures anew changes both."""
    text = CAPACITY.read_text(encoding="utf-8")

    assert sum(line.endswith(FROM_BENCH) for line in text.splitlines()) > 5
    assert not_in_bench(text, BENCH.read_text(encoding="utf-8")) == []


def test_the_example_is_what_the_formula_gives() -> None:
    """Every row of it, for both kinds of clients."""
    assert wrong_examples(CAPACITY.read_text(encoding="utf-8")) == []


def test_figures_that_differ_are_found() -> None:
    """A page that was not changed with the bench, and an example that was not with the formula."""
    row = f"| a delivery | fast: `67 to 82 %` | [table]{FROM_BENCH}"
    assert not_in_bench(row, "| gateway | 67 to 82 % |") == []
    assert not_in_bench(row, "| gateway | 60 to 82 % |") == ["67 to 82 %"]

    page = "```python\nprint({'workers': 2_000})\n```\n| workers | {} |\n"
    assert wrong_examples(page.replace("{}", "2,000")) == []
    assert wrong_examples(page.replace("{}", "1,999")) == ["workers | 2,000"]
