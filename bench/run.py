"""Everything that `make bench` measures: the fan-out, then the ingest.

``--small`` sees in under a minute that the benches work; other arguments go to the fan-out.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run each bench as a process of its own; the worst exit code."""
    codes = []
    for module, arguments in (("bench.fanout", sys.argv[1:]), ("bench.ingest", _only_small(sys.argv[1:]))):
        if (ROOT / module.replace(".", "/")).with_suffix(".py").exists():
            codes.append(subprocess.call([sys.executable, "-m", module, *arguments], cwd=ROOT))
    return max(codes)


def _only_small(arguments: list[str]) -> list[str]:
    return [argument for argument in arguments if argument == "--small"]


if __name__ == "__main__":
    sys.exit(main())
