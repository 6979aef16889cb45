"""Installs what the tests of real clients speak with: each into a folder of its own, once, at first use.

Four of the libraries are one another's forks and share a package name, so none of them can stand in the
environment that everything else runs in.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CLIENTS = HERE.parents[1] / ".baleen" / "clients"
_LAST_LINES = 15


def python_client(name: str) -> Path:
    """The folder that holds what ``NAME.lock`` pins, for a program's ``PYTHONPATH``."""
    lock = HERE / f"{name}.lock"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]

    def install(folder: Path) -> None:
        _run([*pip, "--require-hashes", "--requirement", str(lock), "--target", str(folder)])

    return _installed(name, hashlib.sha256(lock.read_bytes()).hexdigest() + sys.version, install)


def debian_package(package: str) -> Path:
    """The folder of a Debian package, unpacked beside the system instead of installed into it."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            pytest.skip(f"{package} comes from Debian's packages, and this machine has no {tool}")

    def install(folder: Path) -> None:
        folder.mkdir(parents=True)
        download = ["apt-get", "download", package]
        if subprocess.run(download, cwd=folder, capture_output=True, check=False).returncode:
            _run(["apt-get", "update"])  # a fresh machine knows no packages
            _run(download, folder)
        (file,) = folder.glob("*.deb")
        _run(["dpkg-deb", "--extract", str(file), "."], folder)
        file.unlink()

    return _installed(package, "as Debian has it", install)


def _installed(name: str, what: str, install: Callable[[Path], None]) -> Path:
    """The folder of *name*, made anew unless it holds *what*; several test processes make it once."""
    folder = CLIENTS / name
    stamp = folder / ".installed"
    with _alone(CLIENTS / f"{name}.busy"):
        if not stamp.exists() or stamp.read_text() != what:
            shutil.rmtree(folder, ignore_errors=True)
            install(folder)
            stamp.write_text(what)
    return folder


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(command: list[str], folder: Path | None = None) -> None:
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ended.returncode:
        said = "\n".join((ended.stdout + ended.stderr).splitlines()[-_LAST_LINES:])
        pytest.fail(f"the client cannot be installed: {' '.join(command)}\n{said}", pytrace=False)
