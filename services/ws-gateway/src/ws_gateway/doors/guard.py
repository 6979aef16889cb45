"""Stands before every route: strangers, and who comes too often or may not do this, are told what to do.

An HTTP route that nobody thought of is closed: all but those named here want a token where tokens are asked
for. WebSockets are let pass to be told after they are accepted, which is how a browser sees it; only who
comes too often is sent away before, for that is cheap.
"""

from __future__ import annotations

from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ws_gateway.doors.bearer import take_out
from ws_gateway.doors.entry import Entry
from ws_gateway.doors.origins import Doors
from ws_gateway.doors.tokens import Denied
from ws_gateway.errors import Untrusted

OPEN_PATHS: Final = frozenset({"/", "/livez", "/readyz", "/metrics"})
"""What everybody may ask: the page, which shows nothing by itself, and what operators' machines ask."""
ADMIN_PATHS: Final = ("/api/v1/ws/stats", "/ws/stats", "/api/stream/reconnect", "/v1/clients")
"""What tells of other clients or moves the upstream, and all below it: for admins alone."""
_MISDIRECTED: Final = 421
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_UNAVAILABLE: Final = 503
_KEYS_WITHIN: Final = "10"


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, doors: Doors, entry: Entry) -> None:
        self._app = app
        self._doors = doors
        self._entry = entry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a stranger, pass everybody else on; the token goes no further than here and the door."""
        if scope["type"] == "websocket":
            await self._pass_socket(scope, receive, send)
        elif scope["type"] == "http":
            await self._pass_request(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _pass_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["bearer"] = take_out(scope)
        wait = self._entry.wait_of(scope)
        if wait is None:
            await self._app(scope, receive, send)
        else:
            await _too_early(wait)(scope, receive, send)

    async def _pass_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        bearer = take_out(scope)
        refusal: Response | None = self._strange(scope)
        if refusal is None and scope["path"] not in OPEN_PATHS and scope["method"] != "OPTIONS":
            identity = await self._entry.identify_patiently(bearer)
            scope.setdefault("state", {})["identity"] = identity
            if isinstance(identity, Denied):
                self._entry.denials[identity.reason] += 1
                refusal = _unbelieved(identity)
            elif _is_for_admins(scope["path"]) and not identity.admin:
                refusal = JSONResponse({"detail": "This is for tokens with baleen.admin alone"}, _FORBIDDEN)
        answer = refusal or self._app
        discreet = bearer is not None and bearer.in_address
        await answer(scope, receive, _discreetly(send) if discreet else send)

    def _strange(self, scope: Scope) -> Response | None:
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


def _is_for_admins(path: str) -> bool:
    return any(path == root or path.startswith(f"{root}/") for root in ADMIN_PATHS)


def _too_early(wait: int) -> Response:
    """Return the answer to a handshake that comes too early; sent before the connection is upgraded."""
    detail = f"Too many connections are being made; come again in {wait} s"
    return JSONResponse({"detail": detail}, _UNAVAILABLE, {"Retry-After": str(wait)})


def _unbelieved(denied: Denied) -> Response:
    if denied.reason is Untrusted.KEYS_AWAY:
        return JSONResponse({"detail": denied.words}, _UNAVAILABLE, {"Retry-After": _KEYS_WITHIN})
    error = "" if denied.reason is Untrusted.MISSING else ' error="invalid_token"'
    return JSONResponse({"detail": denied.words}, _UNAUTHORIZED, {"WWW-Authenticate": f"Bearer{error}"})


def _discreetly(send: Send) -> Send:
    """Ask a browser neither to keep an answer nor to tell others the address, which holds a token."""

    async def discreet(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers: Any = MutableHeaders(scope=message)
            headers["Referrer-Policy"] = "no-referrer"
            headers["Cache-Control"] = "no-store"
        await send(message)

    return discreet
