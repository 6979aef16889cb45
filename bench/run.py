"""Everything that `make bench` measures: fan-out, slow clients, smaller frames, ingest, filters, alerts, bus.

``--small`` sees in under a minute that the benches work; other arguments go to the fan-out.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run each bench as a process of its own; the worst exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    codes = []
    small = _only_small(sys.argv[1:])
    for module, arguments in (
        ("bench.fanout", sys.argv[1:]),
        ("bench.isolation", small),
        ("bench.deflate", small),
        ("bench.ingest", small),
        ("bench.filters", small),
        ("bench.alert_intake", small),
        ("bench.storage", small),
    ):
        codes.append(_run([sys.executable, "-m", module, *arguments]))
    return max(codes)


def _run(command: list[str]) -> int:
    """Run *command* to its end; when we are ended, it is asked to leave and waited for."""
    child = subprocess.Popen(command, cwd=ROOT)
    try:
        return child.wait()
    finally:
        child.terminate()
        child.wait()


def _only_small(arguments: list[str]) -> list[str]:
    return [argument for argument in arguments if argument == "--small"]


if __name__ == "__main__":
    sys.exit(main())
