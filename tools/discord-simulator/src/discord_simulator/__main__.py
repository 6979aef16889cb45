"""The command line: `discord-simulator` and `python -m discord_simulator`."""

from discord_simulator.command import app


def main() -> None:
    """Do what the command line says."""
    app()


if __name__ == "__main__":
    main()
