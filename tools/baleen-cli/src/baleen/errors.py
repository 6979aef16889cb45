"""What can keep Baleen from running on this machine.

CannotRun            the command ends with exit code 1; its text says what is wrong and what to do
├── PortIsBusy       another program listens where one of ours wants to
├── AlreadyRunning   another `baleen up` uses the same state folder
├── NotReady         a process lives and does not become ready
└── ChildEnded       one of the processes ended by itself, so the others were stopped
"""

from __future__ import annotations

from baleen_runtime.lifecycle import EXIT_SETTINGS


class CannotRun(Exception):  # noqa: N818 - it reads as the sentence it is
    """The command cannot go on; the text is for the person at the terminal."""


class PortIsBusy(CannotRun):
    """Another program listens on a port that one of our processes needs."""

    def __init__(self, port: int, service: str, variable: str, listener: str) -> None:
        super().__init__(
            f"Port {port}, wanted by {service}, is in use by {listener}. Stop that program, choose another "
            f"port with {variable}={port + 100} in .env or the environment, or run `baleen up --free-ports`."
        )
        self.port = port


class AlreadyRunning(CannotRun):
    """Two runs may not share one store."""

    def __init__(self, folder: str, pid: str) -> None:
        super().__init__(
            f"Baleen already runs with its state in {folder} (process {pid}). Stop that one, or give this "
            "one a folder of its own: `baleen up --state other-folder --free-ports`."
        )


class NotReady(CannotRun):
    """A process lives, and says that it cannot work yet."""

    def __init__(self, name: str, within: float, lacks: str) -> None:
        super().__init__(f"{name} was not ready within {within:.0f} s: {lacks}. See its lines above.")


class ChildEnded(CannotRun):
    """One process ended, and a road with a hole is no road."""

    def __init__(self, name: str, code: int) -> None:
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        meaning = (
            "a setting is wrong, its last lines say which" if code == EXIT_SETTINGS else "see its last lines"
        )
        super().__init__(f"{name} {how}; {meaning}. Everything else was stopped.")
        self.name = name
