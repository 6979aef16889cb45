"""What keeps a request from being granted.

DiscordSimulatorError
├── Gone          nobody is there any more to be answered
└── Refused       an answer in Discord's words: status, code, sentence, and what is wrong with which field
"""

from __future__ import annotations

from discord_simulator.problems import Problems


class DiscordSimulatorError(Exception):
    """Base of all errors of this package."""


class Gone(DiscordSimulatorError):  # noqa: N818 - the condition is the name
    """The other end left."""


class Refused(DiscordSimulatorError):  # noqa: N818 - it is the answer, not a defect
    """The request is answered with an error; ``code`` is Discord's number for it."""

    def __init__(self, status: int, code: int, message: str, problems: Problems | None = None) -> None:
        self.status = status
        self.code = code
        self.problems = problems
        super().__init__(message)


def invalid(problems: Problems) -> Refused:
    """The refusal of a message with wrong fields."""
    return Refused(400, 50035, "Invalid Form Body", problems)
