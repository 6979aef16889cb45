"""promtool as Debian packages it, for the tests that let it judge rules."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.clients.installing import debian_package


def promtool(*words: str | Path, within: float = 240) -> subprocess.CompletedProcess[str]:
    """Run it; both of its streams are in `stdout`."""
    program = debian_package("prometheus") / "usr/bin/promtool"
    return subprocess.run(
        [program, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=within,
        check=False,
    )
