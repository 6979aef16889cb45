"""One REST call out of the shared budget; says what an answer means, and never what the token is."""

import asyncio
import re
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import httpx
import orjson

from baleen_runtime.redact import Redactor
from uw_ingest.errors import QuotaTaken, RestFailed, RestLimited, RestRefused
from uw_ingest.rest.limiter import CALL_ENDS_WITHIN, Call
from uw_ingest.rest.limits_told import limit_of
from uw_ingest.rest.quota import Quota
from uw_ingest.tally import Tally
from uw_ingest.upstream.connect import HEADERS

SEND_WITHIN = 4.0
"""Seconds after its reservation in which a call is sent, or never."""
CALL_WITHIN = 20.0
"""Seconds after which a call is given up. A successor takes a reserved call for over after
:data:`CALL_ENDS_WITHIN`; what is left of that is for upstream, to notice that we hung up."""
LARGEST_BODY = 16 << 20  # bytes

assert SEND_WITHIN + CALL_WITHIN < CALL_ENDS_WITHIN  # noqa: S101 - else a successor would count too few

_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.InvalidURL)
_OK, _TOO_MANY = 200, 429
_REFUSALS = frozenset({401, 403, 404, 422})
_CODE = re.compile(r'"code"\s*:\s*"([a-z_]{1,60})"')


class Rest:
    """Upstream's REST interface, as far as the budget goes."""

    def __init__(
        self,
        upstream: str,
        token: str,
        *,
        quota: Quota,
        tally: Tally,
        allowed: Callable[[], bool] = lambda: True,
    ) -> None:
        """Ask this upstream; nothing is sent before the first :meth:`get`, nor while it is not allowed."""
        self._redact = Redactor([token]).text
        self.quota = quota
        self._tally, self._allowed = tally, allowed
        self._random = Random()  # noqa: S311 - jitter, not secrecy
        self._client = httpx.AsyncClient(
            base_url=upstream,
            headers={**HEADERS, "Authorization": f"Bearer {token}", "Accept": "application/json, text/plain"},
            timeout=CALL_WITHIN,
            follow_redirects=False,  # a redirect would carry the token to somebody else
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def get(
        self, path: str, params: Mapping[str, str | int] | None = None, *, urgent: bool = False
    ) -> Any:
        """Return the JSON of an answer, after waiting for the budget.

        Raises:
            RestLimited: the budget is used up for a while.
            RestRefused: the token may not ask this.
            QuotaTaken: another replica asks now.
            RestFailed: no usable answer.
        """
        call = await self.quota.reserve(urgent=urgent)
        if not self._allowed() or self.quota.age(call) >= SEND_WITHIN:
            self.quota.not_sent(call)
            if not self._allowed():
                raise QuotaTaken("the lease is lost")
            raise RestFailed("the reservation is too old to be used")
        status, headers, body = await self._answer(call, path, params)
        self.quota.landed(call, status=status, headers=headers)
        await self.quota.settle()
        if status == _OK:
            return self._content(body)
        self._tally.rest_calls[str(status)] += 1
        raise self._refusal(call, status, headers, body[:4096].decode(errors="replace"))

    async def _answer(
        self, call: Call, path: str, params: Mapping[str, str | int] | None
    ) -> tuple[int, dict[str, str], bytes]:
        """Send and hear. Without an answer the call stays in flight, as upstream may be at work on it."""
        try:
            async with asyncio.timeout(CALL_WITHIN):
                return await self._fetch(path, params)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError, ValueError) as error:
            if isinstance(error, _NEVER_LEFT):
                self.quota.not_sent(call)
            self._tally.rest_calls["failed"] += 1
            raise RestFailed(f"no answer ({type(error).__name__})") from None

    async def _fetch(
        self, path: str, params: Mapping[str, str | int] | None
    ) -> tuple[int, dict[str, str], bytes]:
        async with self._client.stream("GET", path, params=dict(params or {})) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > LARGEST_BODY:
                    raise ValueError("too large")
            return response.status_code, {k.lower(): v for k, v in response.headers.items()}, bytes(body)

    def _content(self, body: bytes) -> Any:
        """Return what a good answer says; a page in HTML, or nothing, is no good answer."""
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError:
            self._tally.rest_calls["unreadable"] += 1
            raise RestFailed("the answer is no JSON") from None
        self._tally.rest_calls[str(_OK)] += 1
        return content

    def _refusal(self, call: Call, status: int, headers: Mapping[str, str], text: str) -> RestFailed:
        if status == _TOO_MANY:
            kind = limit_of(text)
            spread = self._random.uniform(-1, 1)
            return RestLimited(kind, self.quota.limited(call, kind=kind, headers=headers, spread=spread))
        code = _CODE.search(text)
        words = f"status {status}" + (f", {self._redact(code[1])}" if code else "")
        return RestRefused(words) if status in _REFUSALS else RestFailed(words)
