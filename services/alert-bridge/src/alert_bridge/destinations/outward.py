"""HTTP to addresses that were checked: a host's name is resolved once, and the connection goes just there.

Were the name resolved a second time for the connection, whoever owns it could answer differently.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass

import httpx

from alert_bridge.destinations.addresses import is_public

CONNECT_WITHIN = 4.0
WITHIN = 10.0
MOST_BYTES = 64 * 1024


class NotPublic(httpx.TransportError):
    """The host's address is not on the public internet."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, as much of it as is read. Names of headers are in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool


class PinnedTransport(httpx.AsyncBaseTransport):
    """Connects only to addresses it has looked at itself; knows no proxy."""

    def __init__(self) -> None:
        self._within = httpx.AsyncHTTPTransport(trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send *request* to the first of its host's addresses that takes a connection.

        Raises:
            NotPublic: one of the addresses is not public; then none is tried.
        """
        url, host = request.url, request.url.host
        addresses = await addresses_of(host, url.port or (443 if url.scheme == "https" else 80))
        if not all(map(is_public, addresses)):
            raise NotPublic("the host's address is private, local or reserved", request=request)
        request.extensions = {**request.extensions, "sni_hostname": host}  # and whose certificate is wanted
        for place, address in enumerate(addresses):
            request.url = url.copy_with(host=address)
            try:
                return await self._within.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if place == len(addresses) - 1:
                    raise
        raise httpx.ConnectError("the host has no address", request=request)

    async def aclose(self) -> None:
        """Let go of connections."""
        await self._within.aclose()


async def addresses_of(host: str, port: int) -> list[str]:
    """The addresses of *host*, each once.

    Raises:
        httpx.ConnectError: it has none.
        httpx.ConnectTimeout: nobody says so in time.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_WITHIN):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise httpx.ConnectTimeout("the host's name was not resolved in time") from None
    except (OSError, UnicodeError):
        raise httpx.ConnectError("the host's name cannot be resolved") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def client(*, checked: bool, proxies: bool = False) -> httpx.AsyncClient:
    """A client that follows no redirects.

    Args:
        checked: only to public addresses.
        proxies: through the proxy that the environment names, which then chooses the address.
    """
    return httpx.AsyncClient(
        transport=PinnedTransport() if checked else None,
        trust_env=proxies and not checked,
        follow_redirects=False,
        timeout=httpx.Timeout(WITHIN, connect=CONNECT_WITHIN),
        headers={"Accept-Encoding": "identity"},  # an answer is bounded as it comes, and never unpacked
    )


async def ask(http: httpx.AsyncClient, request: httpx.Request, *, most: int = MOST_BYTES) -> Reply:
    """Send *request* and read at most so many bytes of the answer, all within `WITHIN` seconds.

    Raises:
        httpx.ConnectError, httpx.ConnectTimeout, NotPublic: nothing was sent.
        httpx.HTTPError, TimeoutError: it may have been sent.
    """
    async with asyncio.timeout(WITHIN):
        answer = await http.send(request, stream=True)
        body, whole = b"", True
        try:
            async for part in answer.aiter_raw():
                body += part
                if len(body) > most:
                    body, whole = body[:most], False
                    break
        finally:
            await answer.aclose()
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Reply(answer.status_code, headers, body, whole)
