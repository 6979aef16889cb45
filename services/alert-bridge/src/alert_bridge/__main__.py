"""``alert-bridge`` runs the service; ``alert-bridge source add NAME`` makes a sender's webhook."""

from __future__ import annotations

import gc
import sys

from alert_bridge import command
from alert_bridge.service import run
from alert_bridge.settings import Settings
from baleen_runtime import lifecycle


def main() -> int:
    """Run what the command line asks for; the service without arguments."""
    if sys.argv[1:]:
        return command.main(sys.argv[1:])
    gc.set_threshold(50_000, 20, 20)  # alerts hold no cycles; looking for some costs a tenth of the time
    return lifecycle.main(Settings, run)


if __name__ == "__main__":
    sys.exit(main())
