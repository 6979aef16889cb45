"""What the person at the terminal sees: each process in a colour of its own, and our own words apart."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

COLOURS = {
    "nats-server": "magenta",
    "uw-simulator": "yellow",
    "uw-ingest": "cyan",
    "ws-gateway": "green",
    "alert-bridge": "blue",
    "discord-simulator": "bright_magenta",
}
WIDTH = max(len(name) for name in COLOURS)


class Terminal:
    """Writes marked lines; colours only where somebody sees them."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)

    def line(self, name: str, text: str) -> None:
        """Show one line of a process, marked; what nats-server says on its start is left out."""
        if name == "nats-server" and ("[INF]" in text or "Plaintext passwords" in text):
            return
        self.console.print(Text.assemble((f"{name:<{WIDTH}} │ ", COLOURS.get(name, "white")), text))

    def progress(self, text: str) -> None:
        """Show one step of ours."""
        self.console.print(Text.assemble((f"{'baleen':<{WIDTH}} │ ", "bold"), text))

    def problem(self, text: str) -> None:
        """Show what went wrong and what to do."""
        self.console.print(Text.assemble((f"{'baleen':<{WIDTH}} │ ", "bold red"), (text, "red")))

    def plain(self, text: str) -> None:
        """Show text as it is, ready to be copied."""
        self.console.print(Text(text))

    def verdict(self, word: str, colour: str, text: str) -> None:
        """Show the outcome of one check."""
        self.console.print(Text.assemble((f"{word:<6}", f"bold {colour}"), text))
