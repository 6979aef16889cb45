"""What `baleen up` prints once everything is ready: where to look and what to paste. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from baleen.plan import Plan
from baleen_contracts.catalogue import by_name

_SIMULATED = """\
The data is SIMULATED. For real data put your token into the file .env, never on a command line:
  UW_API_TOKEN=your-token"""
_LIVE = "The data is LIVE, from Unusual Whales."


def greeting(plan: Plan, also_listen: Sequence[int] = ()) -> str:
    """Return the text; it holds the team's password and the webhook's token: for this terminal only."""
    gateway = f"127.0.0.1:{plan.ports.gateway}"
    flow = by_name("flow_alert").pattern
    also = f" (and on {', '.join(map(str, also_listen))})" if also_listen else ""
    return f"""
Baleen is up{also}. Ctrl-C stops everything.

Page        http://localhost:{plan.ports.gateway}/

WebSocket   .venv/bin/python -m websockets ws://{gateway}/api/stream/ws/flow
            .venv/bin/baleen watch --url ws://{gateway}/v1/stream '{flow}'
NATS        nats sub --server {plan.nats_url} --user team --password {plan.passwords["team"]} '{flow}'
Webhook     {plan.place.webhook}
            curl -H 'Content-Type: application/json' -d '{{"content": "hello"}}' {plan.place.webhook}

{_SIMULATED if plan.simulated else _LIVE}
"""
