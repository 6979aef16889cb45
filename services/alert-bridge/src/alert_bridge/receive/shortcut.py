"""Leads a request to its receiver past the framework, whose way costs as much as all that follows.

The routes are the framework's own, with their paths and endpoints; it still describes them, and answers what
fits none of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from alert_bridge.traces import answered, hearing
from baleen_runtime.traceparent import heard_in
from baleen_runtime.tracing import recording

Endpoint = Callable[[Request], Awaitable[Response]]
Failed = Callable[[Request, Exception], Awaitable[Response]]

log = structlog.get_logger(__name__)


class _Headers(Headers):
    """Headers that are looked up; the framework searches all of them for each. The first of a name counts."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope=scope)
        self._firsts = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])
        }

    def __getitem__(self, key: str) -> str:
        value: str = self._firsts[key.lower()]
        return value

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.lower() in self._firsts

    def get(self, key: str, default: Any = None) -> Any:
        """The value of *key*, or *default*."""
        return self._firsts.get(key.lower(), default)


class _Request(Request):
    @property
    def headers(self) -> Headers:
        if not hasattr(self, "_headers"):
            self._headers = _Headers(self.scope)
        return self._headers


class Shortcut:
    """Calls the endpoint of the first of *routes* that fits, with the request alone.

    Args:
        app: who answers the others.
        routes: those whose endpoints take a request and give a response; others are left to *app*.
        failed: what to answer when an endpoint has a defect.
    """

    def __init__(self, app: ASGIApp, *, routes: Iterable[BaseRoute], failed: Failed) -> None:
        self._app, self._failed = app, failed
        self._routes = [
            (method, route.path, route.path_regex, route.endpoint)
            for route in routes
            if isinstance(route, APIRoute)
            for method in route.methods or ()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or have it answered."""
        if scope["type"] == "http":
            for method, path, pattern, endpoint in self._routes:
                found = pattern.match(scope["path"]) if scope["method"] == method else None
                if found is not None:
                    scope["path_params"] = found.groupdict()
                    request, traceparent = _Request(scope, receive, send), heard_in(scope["headers"])
                    if traceparent is None and not recording():
                        response = await self._response(endpoint, request)
                    else:
                        with hearing(method, path, traceparent) as span:
                            response = await self._response(endpoint, request)
                            answered(span, response.status_code)
                    await response(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _response(self, endpoint: Endpoint, request: Request) -> Response:
        try:
            return await endpoint(request)
        except Exception as defect:
            log.exception("a receiver failed")
            return await self._failed(request, defect)
