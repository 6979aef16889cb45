"""What a run keeps on disk: the folder `.baleen`, its lock, and the passwords of the bus users."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from dotenv import dotenv_values

from baleen.errors import AlreadyRunning, CannotRun

_SECRETS = "secrets.json"
NATS_CONFIG = Path("deploy/nats/nats-server.conf")


def project_root(start: Path) -> Path:
    """Return the checkout that holds *start*, else the one this package was installed from.

    Raises:
        CannotRun: neither is a checkout of Baleen.
    """
    for folder in (start, *start.parents, *Path(__file__).resolve().parents):
        if (folder / NATS_CONFIG).is_file():
            return folder
    raise CannotRun(f"{NATS_CONFIG} is not here: run this inside a checkout of Baleen.")


def read_dotenv(path: Path) -> dict[str, str]:
    """Return the variables of a `.env` file, taken literally; none if there is no such file."""
    return {name: value for name, value in dotenv_values(path, interpolate=False).items() if value}


@contextlib.contextmanager
def state_folder(folder: Path) -> Iterator[Path]:
    """Hold *folder* for one run; nobody else on the machine may read what is in it.

    Raises:
        AlreadyRunning: another run holds it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise AlreadyRunning(str(folder), lock.read().strip() or "unknown") from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield folder


def kept_secrets(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Return one random secret per name, made on the first run and kept in a file only its owner can read."""
    file = folder / _SECRETS
    kept: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    for name in names:
        # A letter first: nats-server reads a bare value that starts with a digit as a number.
        kept.setdefault(name, "p" + secrets.token_hex(16))
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(kept, out, indent=1)
    return {name: kept[name] for name in names}


def known_secret(folder: Path, name: str) -> str | None:
    """Return a secret that an earlier run made, if there was one; makes nothing."""
    file = folder / _SECRETS
    kept: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    return kept.get(name)


def local_webhook(sources: str, base_url: str) -> str:
    """Return the webhook URL of the source called `local`, made on the first run; the URL is a credential.

    Raises:
        CannotRun: the file of sources is damaged.
    """
    program = Path(sys.executable).with_name("alert-bridge")
    made = subprocess.run(  # noqa: S603 - our own program and arguments
        [program, "source", "add", "local", "--file", sources, "--base-url", base_url],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise CannotRun(f"No webhook could be made: {made.stderr.strip()[-500:]}")
    return made.stdout.strip()
