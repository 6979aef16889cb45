"""Prometheus and promtool: those of the PATH, or those of Debian's package, unpacked and not installed."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".baleen" / "prometheus"


def program(name: str) -> Path:
    """Return where `prometheus` or `promtool` is; skip where there is neither it nor apt, but not in CI."""
    if found := shutil.which(name):
        return Path(found)
    unpacked = KEPT / "usr" / "bin" / name
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes come here at once
        if not unpacked.exists() and (problem := _unpack()):
            if os.environ.get("CI"):
                raise RuntimeError(f"{name} is needed here: {problem}")
            pytest.skip(f"there is no {name}: {problem}")
    return unpacked


def _unpack() -> str:
    """Get Debian's package; return why that did not work, if it did not."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        return "install Prometheus; there is no apt-get to take it from"
    for stale in KEPT.glob("*.deb"):
        stale.unlink()
    asked = ["apt-get", "download", "-qq", "prometheus"]
    done = subprocess.run(asked, cwd=KEPT, capture_output=True, text=True, timeout=300, check=False)
    packages = list(KEPT.glob("prometheus_*.deb"))
    if done.returncode != 0 or not packages:
        return f"apt-get could not bring it: {done.stderr.strip()[-300:]}"
    subprocess.run(["dpkg", "-x", packages[0], KEPT], check=True, timeout=120)
    packages[0].unlink()
    return ""
