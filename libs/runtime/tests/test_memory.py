"""Memory that was freed goes back to the system."""

import subprocess
import sys

import pytest

PROGRAM = """
from pathlib import Path
from baleen_runtime.memory import give_back

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20

before = resident()
waiting, held = [], []
for number in range(60_000):
    waiting.append(bytes(900))
    if number % 1_000 == 0:
        held.append(bytes(900))  # and lies above what is freed
del waiting
freed = resident()
give_back()
print(before, freed, resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other C libraries keep to other rules")
def test_what_a_backlog_took_is_given_back():
    """Of some 50 MB that were freed below what is still held, nearly nothing stays."""
    told = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    before, freed, after = map(int, told.stdout.split())

    assert freed - before > 30
    assert after - before < 10
