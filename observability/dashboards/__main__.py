"""Writes every dashboard where Grafana's provisioning reads it."""

from __future__ import annotations

import sys
from pathlib import Path

from observability.dashboards.files import texts

FOLDER = Path(__file__).resolve().parents[1] / "grafana" / "dashboards"


def main() -> int:
    """Write the files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{name}\n")
    return 0


sys.exit(main())
