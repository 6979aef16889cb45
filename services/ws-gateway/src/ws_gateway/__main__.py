"""`ws-gateway` and `python -m ws_gateway`."""

from __future__ import annotations

import sys

from baleen_runtime import lifecycle
from ws_gateway.service import run
from ws_gateway.settings import Settings


def main() -> int:
    """Run the service; return its exit code."""
    return lifecycle.main(Settings, run, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
