"""The command line: `uw-simulator` and `python -m uw_simulator`."""

from uw_simulator.command import app

if __name__ == "__main__":
    app()
