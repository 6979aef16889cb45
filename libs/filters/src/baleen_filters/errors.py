"""What can be wrong with a filter. Pure.

ValueError
└── FilterFlawed    drop: whoever wrote the text must change it; the message says where, and what was expected
"""

from typing import Final

_SHOWN: Final = 40
"""So many characters of what was written are repeated in a message."""


class FilterFlawed(ValueError):  # noqa: N818 - the condition is the name
    """The text is no filter over these fields.

    Attributes:
        column: where, counted from 1.
    """

    def __init__(self, column: int, problem: str) -> None:
        self.column = column
        super().__init__(f"column {column}: {problem}")


def shown(written: str) -> str:
    """What was written, as a message repeats it: short, quoted, without anything that does not print."""
    short = written if len(written) <= _SHOWN else written[:_SHOWN] + "…"
    return '"' + "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in short) + '"'
