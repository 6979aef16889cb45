"""Makes destinations of what the rules say of them."""

from __future__ import annotations

import re

import httpx

from alert_bridge.destinations.apprise import AppriseDestination
from alert_bridge.destinations.destination import Destination
from alert_bridge.destinations.discord import DiscordDestination
from alert_bridge.destinations.discord_limits import Limits
from alert_bridge.destinations.spec import DiscordSpec, Spec, WebhookSpec
from alert_bridge.destinations.webhook import WebhookDestination
from baleen_runtime.clock import Clock
from baleen_runtime.logs import hide

_SHORTEST_TOKEN = 16
_OF_THIS_PROCESS = Limits()  # Discord counts by address, whoever in the process asks


def build(
    name: str,
    spec: Spec,
    *,
    clock: Clock,
    http: httpx.AsyncClient | None = None,
    limits: Limits = _OF_THIS_PROCESS,
) -> Destination:
    """The destination *name*, whose secrets no log line shows from now on.

    Args:
        name: as in the rules.
        spec: what the rules say of it.
        clock: by which limits are kept.
        http: a client to use instead of one of its own; it is not closed with the destination.
        limits: of everything that goes out from this process's address.
    """
    url = spec.url.get_secret_value()
    hide([url, *_secret_parts(url)])
    if isinstance(spec, DiscordSpec):
        return DiscordDestination(name, spec, clock=clock, limits=limits, http=http)
    if isinstance(spec, WebhookSpec):
        hide([spec.secret.get_secret_value()])
        return WebhookDestination(name, spec, clock=clock, http=http)
    return AppriseDestination(name, spec)


def _secret_parts(url: str) -> list[str]:
    """The parts of *url* that are long enough to be tokens; a line may show one without the rest."""
    return [part for part in re.split(r"[/?#@:&=]+", url) if len(part) >= _SHORTEST_TOKEN and "." not in part]
