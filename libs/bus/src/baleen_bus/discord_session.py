"""Leads discord.py, nextcord, disnake and py-cord to the bridge: they know no other address than Discord's.

Where a bot says ``SyncWebhook.from_url(url)`` it now says ``sync_webhook(SyncWebhook, url)``, and
``webhook(Webhook, url)`` for ``Webhook.from_url(url, session=…)``; ``url`` is the one that the bridge gave
out. Both hand the library a session that leads what is meant for this one webhook of Discord's to the bridge.

Such a session reaches nothing else: whatever has another address, another webhook's token, or was redirected,
raises ``OtherAddress`` before anything leaves. It uses no proxy, as the environment's are meant for Discord,
and leaves out ``Authorization``, as a bot's own token is no business of the bridge.

``requests`` and ``aiohttp`` are imported when a session is made, and come with those libraries.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from types import TracebackType

_PATH: Final = re.compile(
    r"/api(?:/v\d+)?/webhooks/(?P<id>\d{17,20})/(?P<token>[A-Za-z0-9_-]{60,100})(?=/|$)"
)
_DISCORD: Final = re.compile(r"(?:(?:ptb|canary)\.)?discord(?:app)?\.com")
_LEFT_OUT: Final = frozenset({"authorization", "proxy-authorization", "cookie"})


class OtherAddress(ValueError):  # noqa: N818 - the condition is the name
    """Not an address that may be used here; the sentence does not repeat it, as it may hold a token."""


class BridgeWebhook:
    """A webhook of the bridge's, known by its URL.

    Raises:
        OtherAddress: the URL is none, or one of Discord's own.
    """

    def __init__(self, url: str) -> None:
        parts = _split(url)
        found = re.fullmatch(rf"(?P<base>.*?){_PATH.pattern}/?", parts.path)
        if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or not found:
            raise OtherAddress("not a webhook URL of the bridge: http(s)://HOST/api/webhooks/ID/TOKEN")
        if _DISCORD.fullmatch(parts.hostname):
            raise OtherAddress("this is a webhook of Discord's own: give the URL that the bridge gave out")
        self.id, self.token = found["id"], found["token"]
        self._base = f"{parts.scheme}://{parts.netloc}{found['base']}"

    def address(self, url: str) -> str:
        """Where a request to ``url``, this webhook's address at Discord, is to go.

        Raises:
            OtherAddress: it is something else's.
        """
        parts = _split(url)
        found = _PATH.match(parts.path)
        if parts.scheme != "https" or not _DISCORD.fullmatch(parts.hostname or "") or found is None:
            raise OtherAddress("this session knows one webhook of the bridge's, and no other address")
        if (found["id"], found["token"]) != (self.id, self.token):
            raise OtherAddress("this session knows one webhook of the bridge's, and this is another one")
        return f"{self._base}{parts.path}" + (f"?{parts.query}" if parts.query else "")


def requests_session(url: str) -> Any:
    """A ``requests.Session`` for the synchronous webhooks of these libraries.

    Raises:
        OtherAddress: ``url`` is no webhook URL of the bridge's.
    """
    known = BridgeWebhook(url)
    requests = import_module("requests")
    session = requests.Session()
    session.adapters.clear()
    session.mount("", _Leading(requests.adapters.HTTPAdapter(), known))
    return session


def aiohttp_session(url: str, **options: Any) -> BridgeSession:
    """What the asynchronous webhooks of these libraries use of an ``aiohttp.ClientSession``.

    ``options`` are the client session's. Close it as one.

    Raises:
        OtherAddress: ``url`` is no webhook URL of the bridge's.
    """
    return BridgeSession(BridgeWebhook(url), options)


def sync_webhook(kind: Any, url: str, **options: Any) -> Any:
    """The library's ``SyncWebhook`` (``kind``) for the bridge's URL; ``options`` are those of ``partial``.

    Raises:
        OtherAddress: ``url`` is no webhook URL of the bridge's.
    """
    known = BridgeWebhook(url)
    return kind.partial(int(known.id), known.token, session=requests_session(url), **options)


def webhook(kind: Any, url: str, *, session: BridgeSession | None = None, **options: Any) -> Any:
    """The library's ``Webhook`` (``kind``) for the bridge's URL; ``options`` are those of ``partial``.

    ``session`` is one of ``aiohttp_session(url)``, to be closed by who made it; otherwise one is made, and
    found as ``webhook.session``.

    Raises:
        OtherAddress: ``url`` is no webhook URL of the bridge's.
    """
    known = BridgeWebhook(url)
    return kind.partial(int(known.id), known.token, session=session or aiohttp_session(url), **options)


class BridgeSession:
    """Makes an ``aiohttp.ClientSession`` when first used, and leads its requests to the bridge."""

    def __init__(self, known: BridgeWebhook, options: dict[str, Any]) -> None:
        self._known = known
        self._options = options
        self._session: Any = None

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._session is not None and self._session.closed

    def request(self, method: str, url: Any, **options: Any) -> Any:
        """As a client session's; in a running loop only.

        Raises:
            OtherAddress: it is not meant for this webhook.
        """
        address = self._known.address(str(url))
        options |= {
            "allow_redirects": False,
            "headers": _without_secrets(options.get("headers") or {}),
            "proxy": None,
            "proxy_auth": None,
        }
        return self._opened().request(method, address, **options)

    async def close(self) -> None:
        """Close the connections; it cannot be used again."""
        await self._opened().close()

    def _opened(self) -> Any:
        if self._session is None:
            self._session = import_module("aiohttp").ClientSession(**self._options | {"trust_env": False})
        return self._session

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.close()


class _Leading:
    """What ``requests`` asks of an adapter: every request of its session comes through here."""

    def __init__(self, inner: Any, known: BridgeWebhook) -> None:
        self._inner = inner
        self._known = known

    def send(self, request: Any, **options: Any) -> Any:
        led = request.copy()
        led.url = self._known.address(request.url)
        led.headers = type(request.headers)(_without_secrets(request.headers))
        return self._inner.send(led, **(options | {"proxies": None}))

    def close(self) -> None:
        self._inner.close()


def _without_secrets(headers: Any) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _LEFT_OUT}


def _split(url: str) -> Any:
    try:
        return urlsplit(str(url))
    except ValueError:
        raise OtherAddress("not a URL") from None
