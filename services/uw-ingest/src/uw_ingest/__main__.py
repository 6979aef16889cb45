"""Starts uw-ingest."""

import gc
import sys

from baleen_runtime import lifecycle
from uw_ingest.service import run
from uw_ingest.settings import Settings


def main() -> int:
    """Run until told to stop; return the exit code."""
    gc.set_threshold(50_000, 20, 20)  # messages hold no cycles; looking for some costs a tenth of the time
    return lifecycle.main(Settings, run, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
