"""`baleen alerts source`: the bridge's own command, told where this checkout keeps its sources."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from baleen.alerts import source_command

BALEEN = Path(sys.executable).with_name("baleen")


def test_the_checkouts_file_and_port_are_used():
    """Nobody has to know where `make up` keeps the file."""
    command = source_command(["add", "bot"], Path("/here"), {"ALERT_BRIDGE_PORT": "9"})

    assert command[1:] == [
        "source",
        "add",
        "--file=/here/.baleen/sources.json",
        "--base-url=http://127.0.0.1:9",
        "bot",
    ]


def test_a_file_of_ones_own_is_used():
    """`ALERT_BRIDGE_SOURCES` is the file that the bridge reads."""
    command = source_command(["list"], Path("/here"), {"ALERT_BRIDGE_SOURCES": "/etc/s.json"})

    assert "--file=/etc/s.json" in command


def test_the_url_is_printed_and_stays_the_same(tmp_path: Path):
    """What is asked for twice is one source, and standard output holds its URL alone."""
    command = [BALEEN, "alerts", "source", "add", "bot", "--file", str(tmp_path / "s.json")]
    command += ["--base-url", "http://bridge:1"]

    first, again = (subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(2))

    assert first.stdout == again.stdout
    assert first.stdout.startswith("http://bridge:1/api/webhooks/")
    assert len(first.stdout.split()) == 1


def test_a_mistake_ends_with_its_own_code(tmp_path: Path):
    """A script sees that there is no URL."""
    command = [BALEEN, "alerts", "source", "add", "--file", str(tmp_path / "s.json")]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert done.stdout == ""
