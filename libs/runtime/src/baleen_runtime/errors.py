"""What can go wrong around a service, and what its owner should do.

BaleenRuntimeError
├── SettingsError   stop: the environment is wrong; the message names each variable and the cure
└── PortBusy        stop: another program listens there; the message names the port and the cure
"""

from __future__ import annotations


class BaleenRuntimeError(Exception):
    """Base of all errors of this package."""


class SettingsError(BaleenRuntimeError):
    """The environment does not describe a service that can run."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


class PortBusy(BaleenRuntimeError):  # noqa: N818 - the condition is the name
    """Another program already listens on the address we were told to use."""

    def __init__(self, host: str, port: int, variable: str) -> None:
        self.host, self.port = host, port
        super().__init__(
            f"{host}:{port} is in use by another program: stop it, or set {variable} to a free port"
        )
