"""Keeps what operators ask on a port of its own, which proxies need not lead anybody to.

Whose port it is, is told by the socket that took the connection, never by what a client says.
"""

from __future__ import annotations

from typing import Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

OPERATORS_PATHS: Final = ("/livez", "/readyz", "/metrics", "/v1/clients")
_NOT_FOUND: Final = 404


class Aside:
    """ASGI middleware: operators' paths, and all below them, on one port, everything else on the others.

    Args:
        app: who answers.
        port: the operators' one.
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what was asked at the right port; elsewhere there is nothing of it."""
        here = scope["server"][1] == self._port
        if scope["type"] == "lifespan" or here == is_for_operators(scope["path"]):
            await self._app(scope, receive, send)
            return
        await JSONResponse({"detail": "Not Found"}, _NOT_FOUND)(scope, receive, send)


def is_for_operators(path: str) -> bool:
    """Whether only operators ask for this path."""
    return any(path == root or path.startswith(f"{root}/") for root in OPERATORS_PATHS)
