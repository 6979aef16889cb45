"""Alerts as Apprise takes them: a title and a text; and which of its services are not for us. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from alert_bridge.carried import Carried
from alert_bridge.destinations.destination import Packed
from alert_bridge.destinations.discord_embed import severity_of
from alert_bridge.destinations.words import digest_within, headline_of, text_within
from baleen_contracts.alert import Severity

_MOST = 4_000  # units of text; Apprise splits it as its service needs
_LOCAL = {"dbus", "file", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows"}
_KINDS = {Severity.WARNING: "warning", Severity.ERROR: "failure", Severity.CRITICAL: "failure"}


@dataclass(frozen=True, slots=True)
class Body:
    """One notification. ``kind``: Apprise's word for how much it matters."""

    title: str
    text: str
    kind: str


def check_service(url: str) -> None:
    """See that *url* is for a service that Apprise may reach for us.

    Raises:
        ValueError: a sentence that says why not, and never what it is.
    """
    scheme = re.match(r"\s*([A-Za-z0-9.+-]+)://", url)
    if scheme is None:
        raise ValueError("the URL must begin with the scheme of a service, such as tgram://")
    name = scheme[1].lower()
    if name == "discord" or re.match(r"\s*https?://([a-z0-9-]+\.)?discord(app)?\.com/", url, re.IGNORECASE):
        raise ValueError("Discord is a destination of its own: use type discord, which obeys its limits")
    if name in _LOCAL:
        raise ValueError(f"{name}:// reaches this machine only, where nobody looks")


def pack(waiting: Sequence[Carried], *, digest: bool) -> Packed:
    """The next notification of *waiting*: of the first, or a digest of all."""
    alerts = [one.alert for one in waiting]
    if digest and len(alerts) > 1:
        worst = max(map(severity_of, alerts), key=list(Severity).index)
        body = Body(f"{len(alerts)} alerts", digest_within(alerts, _MOST), _KINDS.get(worst, "info"))
        return Packed(len(alerts), body)
    alert = alerts[0]
    kind = _KINDS.get(severity_of(alert), "info")
    return Packed(1, Body(headline_of(alert), text_within(alert, _MOST), kind))
