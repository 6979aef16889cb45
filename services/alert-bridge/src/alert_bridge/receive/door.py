"""Turns away what a web page sends through a name of its own that it made mean this machine.

A bridge that listens on loopback trusts whoever reaches it. A browser does reach it for any page whose name
resolves to loopback (DNS rebinding), but then it says that name as the host.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from alert_bridge.errors import Outcome
from alert_bridge.receive.credential import shown_in

_HOST = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<name>[^:\[\]]*))(?::\d*)?")
_HAS_TOKEN = re.compile(r"/api/(?:v\d+/)?webhooks/|/in/[a-z]+/[^/]+/[^/]+$")
_CURE = (
    "this bridge serves localhost alone: call it by a loopback address, send a source's bearer token, "
    "or set ALERT_BRIDGE_AUTH_NONE_ANYWHERE=true"
)


def means_loopback(host: str) -> bool:
    """Whether the ``Host`` header *host* is localhost or a loopback address, with any port or none."""
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    if found["name"] and found["name"].lower() == "localhost":
        return True
    try:
        return ip_address(found["v6"] or found["name"] or "").is_loopback
    except ValueError:
        return False


class Door:
    """Answers 421 to a request for another host, unless it proves itself otherwise.

    Args:
        app: who answers the others.
        knows: whether a token is that of a source. Some routes have a token in their path, and look at it
            themselves.
        on_refused: told the path of what was turned away, and how it ended.
    """

    def __init__(
        self, app: ASGIApp, *, knows: Callable[[str], bool], on_refused: Callable[[str, Outcome], None]
    ) -> None:
        self._app = app
        self._knows = knows
        self._on_refused = on_refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or turn it away."""
        if scope["type"] != "http" or self._may_enter(scope):
            await self._app(scope, receive, send)
            return
        self._on_refused(scope["path"], Outcome.MISDIRECTED)
        refusal = JSONResponse({"error": Outcome.MISDIRECTED, "message": _CURE}, 421)
        await refusal(scope, receive, send)

    def _may_enter(self, scope: Scope) -> bool:
        if _HAS_TOKEN.match(scope["path"]):
            return True
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if hosts and all(map(means_loopback, hosts)):
            return True
        token = shown_in(headers.get("authorization", ""))
        return token is not None and self._knows(token)
