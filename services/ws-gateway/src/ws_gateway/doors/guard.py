"""Stands before every HTTP route: who asks under a strange name or for a strange page is told what to do."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ws_gateway.doors.origins import Doors

_MISDIRECTED = 421
_FORBIDDEN = 403


class Guard:
    """ASGI middleware; WebSockets pass, for they are told the same after they are accepted."""

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self._app = app
        self._doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a stranger, pass everybody else on."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host"), headers.get("origin")
        if not self._doors.serves(host):
            detail = (
                "The gateway does not answer to this Host: ask it as localhost or 127.0.0.1, "
                "or name the host in WS_GATEWAY_HOSTS"
            )
            return JSONResponse({"detail": detail}, _MISDIRECTED)
        if not self._doors.obeys(scope["method"], origin, host):
            detail = "Pages of this origin may not do this: list the origin in WS_GATEWAY_ORIGINS"
            return JSONResponse({"detail": detail}, _FORBIDDEN)
        return None
