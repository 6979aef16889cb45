"""What `baleen up` prints once everything is ready: where to look and what to paste. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from baleen.plan import Plan
from baleen_contracts.catalogue import by_name

_SIMULATED = """\
The data is SIMULATED. For real data put your token into the file .env, never on a command line:
  UW_API_TOKEN=your-token"""
_LIVE = "The data is LIVE, from Unusual Whales."


def greeting(plan: Plan, missed: Sequence[int] = ()) -> str:
    """Return the text; it holds two passwords and the webhook's token: for this terminal only.

    Args:
        plan: what runs.
        missed: ports where some clients expect the gateway, and which other programs have.
    """
    gateway = f"127.0.0.1:{plan.ports.gateway}"
    flow = by_name("flow_alert").pattern
    publisher = f"BALEEN_NATS_USER=publisher BALEEN_NATS_PASSWORD={plan.passwords['publisher']}"
    return f"""
Baleen is up. Ctrl-C stops everything.
{_further_ports(plan, missed)}
Page        http://localhost:{plan.ports.gateway}/

WebSocket   .venv/bin/python -m websockets ws://{gateway}/api/stream/ws/flow
            .venv/bin/baleen watch --url ws://{gateway}/v1/stream '{flow}'
NATS        nats sub --server {plan.nats_url} --user team --password {plan.passwords["team"]} '{flow}'
Webhook     {plan.place.webhook}
            curl -H 'Content-Type: application/json' -d '{{"content": "hello"}}' {plan.place.webhook}
Python      BALEEN_NATS_URL={plan.nats_url} {publisher}
            baleen_bus.alerts.publish_alert_sync({{"title": "hello"}}), with these in its environment
{_discord(plan)}
{_SIMULATED if plan.simulated else _LIVE}
"""


def _discord(plan: Plan) -> str:
    """Return the lines on who is told of alerts, where nobody else is."""
    if not plan.discord:
        return ""
    return (
        f"Discord     http://localhost:{plan.ports.discord}/   simulated: it is told of every alert\n"
        f"            ALERT_BRIDGE_RULES in .env names others; an example is {plan.place.rules}\n"
    )


def _further_ports(plan: Plan, missed: Sequence[int]) -> str:
    """Return the lines on the gateway's other ports, where clients with a fixed address find it."""
    told = next(child.environ for child in plan.services if child.name == "ws-gateway")
    also = told.get("WS_GATEWAY_ALSO_LISTEN", "").replace(",", ", ")
    lines = [f"The gateway also listens on {also}.\n"] if also else []
    if missed:
        ports = ", ".join(map(str, missed))
        lines.append(
            f"It could not have {ports}, which another program uses: clients that expect the gateway there "
            f"must be told port {plan.ports.gateway}, or that program be stopped first.\n"
        )
    return "".join(lines)
