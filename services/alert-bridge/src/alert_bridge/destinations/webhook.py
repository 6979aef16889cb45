"""Hands alerts to a URL of somebody else's, signed, at an address that was looked at before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

from alert_bridge.carried import Carried
from alert_bridge.destinations import webhook_message
from alert_bridge.destinations.destination import Later, Packed, Stopped, Verdict
from alert_bridge.destinations.outward import NotPublic, ask, client
from alert_bridge.destinations.spec import WebhookSpec
from alert_bridge.destinations.webhook_message import Body
from alert_bridge.reasons import Wait
from baleen_runtime import tracing
from baleen_runtime.clock import Clock


class WebhookDestination:
    """A receiver of Standard Webhooks.

    Args:
        name: as in the rules.
        spec: what the rules say of it.
        clock: whose time goes into the signature.
        http: a client to use instead of an own one, with whatever addresses it reaches.
    """

    def __init__(
        self, name: str, spec: WebhookSpec, *, clock: Clock, http: httpx.AsyncClient | None = None
    ) -> None:
        self._name, self._clock = name, clock
        self._url = spec.url.get_secret_value().strip()
        self._key = webhook_message.key_of(spec.secret.get_secret_value())
        self._http = http or client(checked=not spec.allow_private)
        self._owned = http is None

    @property
    def name(self) -> str:
        """As in the rules."""
        return self._name

    def pack(self, waiting: Sequence[Carried], *, digest: bool = False) -> Packed:
        """The first alert that waits, whole, or a digest of all."""
        return webhook_message.pack(self._name, waiting, digest=digest)

    def ready_in(self, now: float) -> float:  # noqa: ARG002 - it has no limits of its own
        """At once: its limits are told by its answers alone."""
        return 0.0

    async def send(self, body: Any) -> Verdict:
        """Send one request."""
        message: Body = body
        headers = webhook_message.headers_of(message, self._key, self._clock.now())
        headers |= tracing.headers() or {}  # whoever takes it may go on with the alert's trace
        try:
            request = self._http.build_request("POST", self._url, headers=headers, content=message.content)
            reply = await ask(self._http, request)
        except httpx.InvalidURL:
            return Stopped(detail="the URL cannot be used")
        except NotPublic as error:
            return Stopped(detail=f"{error}; allow_private would permit it")
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return Later(Wait.UNREACHABLE, detail=type(error).__name__)
        except (httpx.HTTPError, TimeoutError) as error:
            return Later(Wait.NO_ANSWER, detail=type(error).__name__)
        return webhook_message.verdict_of(reply.status, reply.headers, self._clock.now())

    async def close(self) -> None:
        """Let go of connections."""
        if self._owned:
            await self._http.aclose()
