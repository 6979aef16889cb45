"""One REST call at a time out of a budget; says what an answer means, and never what the token is."""

import asyncio
import re
from collections.abc import Mapping
from random import Random
from typing import Any

import httpx
import orjson

from baleen_runtime.clock import Clock
from baleen_runtime.redact import Redactor
from uw_ingest.connect import HEADERS
from uw_ingest.errors import RestFailed, RestLimited, RestRefused
from uw_ingest.limiter import Budget, limit_of
from uw_ingest.tally import Tally

CALL_WITHIN = 20.0  # seconds
LONGEST_WAIT = 60.0  # a budget that needs longer is a limit, not a queue
LARGEST_BODY = 16 << 20  # bytes

_OK, _TOO_MANY = 200, 429
_REFUSALS = frozenset({401, 403, 404, 422})
_CODE = re.compile(r'"code"\s*:\s*"([a-z_]{1,60})"')


class Rest:
    """Upstream's REST interface, as far as the budget goes."""

    def __init__(self, upstream: str, token: str, *, budget: Budget, tally: Tally, clock: Clock) -> None:
        """Ask this upstream; nothing is sent before the first :meth:`get`."""
        self._redact = Redactor([token]).text
        self.budget = budget
        self._tally, self._clock = tally, clock
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

    async def get(self, path: str, params: Mapping[str, str | int] | None = None) -> Any:
        """Return the JSON of an answer, after waiting for the budget.

        Raises:
            RestLimited: the budget is used up for a while.
            RestRefused: the token may not ask this.
            RestFailed: no usable answer.
        """
        await self._wait()
        self.budget.take(self._clock.now())
        status, headers, body = 0, dict[str, str](), b""
        try:
            async with asyncio.timeout(CALL_WITHIN):
                status, headers, body = await self._fetch(path, params)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError, ValueError) as error:
            self._tally.rest_calls["failed"] += 1
            raise RestFailed(f"no answer ({type(error).__name__})") from None
        finally:
            self.budget.landed(self._clock.now(), counted=status == _OK, headers=headers)
        self._tally.rest_calls[str(status)] += 1
        return self._meaning(status, headers, body)

    async def _wait(self) -> None:
        while (wait := self.budget.wait(self._clock.now())) > 0:
            if wait > LONGEST_WAIT:
                raise RestLimited(str(self.budget.last_limit or "day"), wait)
            await asyncio.sleep(wait)

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

    def _meaning(self, status: int, headers: Mapping[str, str], body: bytes) -> Any:
        if status == _OK:
            try:
                return orjson.loads(body)
            except orjson.JSONDecodeError:
                raise RestFailed("the answer is no JSON") from None
        text = body[:4096].decode(errors="replace")
        if status == _TOO_MANY:
            kind = limit_of(text)
            seconds = self.budget.limited(
                self._clock.now(), kind, headers=headers, spread=self._random.uniform(-1, 1)
            )
            raise RestLimited(kind, seconds)
        code = _CODE.search(text)
        words = f"status {status}" + (f", {self._redact(code[1])}" if code else "")
        raise RestRefused(words) if status in _REFUSALS else RestFailed(words)
