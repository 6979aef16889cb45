"""Collects the table of captured frames and rows, and prints it after the tests."""

from collections import Counter

import pytest

TABLE = pytest.StashKey[list[tuple[str, str]]]()


@pytest.fixture(scope="session")
def sample_table(pytestconfig: pytest.Config) -> list[tuple[str, str]]:
    """Rows of (captured file, what became of one frame or row)."""
    return pytestconfig.stash.setdefault(TABLE, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what became of every captured frame and row, counted by file."""
    rows = config.stash.get(TABLE, [])
    if not rows:
        return
    terminalreporter.section("captured upstream frames and rows")
    for (file, outcome), count in sorted(Counter(rows).items()):
        terminalreporter.write_line(f"{file:<52} {count:>4}  {outcome}")
    total = Counter(outcome.partition(":")[0] for _, outcome in rows)
    terminalreporter.write_line("  ".join(f"{kind} {count}" for kind, count in sorted(total.items())))
