"""The committed contract files agree with the catalogue and keep what was released."""

from pathlib import Path

from baleen_contracts.__main__ import main
from baleen_contracts.generated import differing

ROOT = Path(__file__).resolve().parents[2]


def test_generated_files_are_fresh():
    """Cure: ``python -m baleen_contracts generate``, and commit the result."""
    assert differing(ROOT) == []


def test_nothing_released_is_broken():
    """Readers built for any release of this major still understand today's messages."""
    assert main(["--root", str(ROOT), "compat"]) == 0
