"""The rules of a run for which nobody said who is told: the simulated Discord is told everything. Pure."""

from __future__ import annotations

from baleen.plan import LOOPBACK
from discord_simulator.webhooks import webhook_named

_RULES = """\
# Written anew by each `baleen up`: the simulated Discord on this machine is told of every alert.
# For rules of your own copy this file elsewhere, and name that place in ALERT_BRIDGE_RULES, in .env.
destinations:
  simulated-discord:
    type: discord
    url: {url}

routes:
  - name: everything
    to: [simulated-discord]
"""


def rules_for_pretence(port: int) -> str:
    """Return a rules file for the simulated Discord on *port*."""
    return _RULES.format(url=f"http://{LOOPBACK}:{port}{webhook_named('alerts', 'alerts').path}")
