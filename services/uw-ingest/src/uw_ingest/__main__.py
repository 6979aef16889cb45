"""Starts uw-ingest."""

import sys

from baleen_runtime import lifecycle
from uw_ingest.service import run
from uw_ingest.settings import Settings


def main() -> int:
    """Run until told to stop; return the exit code."""
    return lifecycle.main(Settings, run)


if __name__ == "__main__":
    sys.exit(main())
