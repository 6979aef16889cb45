"""Where a webhook's requests go. Pure.

Discord's own URLs come in many spellings, and one without a version means the oldest API: all of them become
version 10 of ``discord.com``. Any other host, a proxy or a pretended Discord, is kept as it is given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

_DISCORD = re.compile(r"(?:[a-z0-9-]+\.)?discord(?:app)?\.com")
_PATH = re.compile(r"/api(?:/v[0-9]+)?/webhooks/([0-9]+)/([A-Za-z0-9_.-]+)(?:/slack|/github)?/?")


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """A webhook's address, which is its only credential: it has no repr.

    Attributes:
        base: the URL without query.
        host: scheme, host and port, as limits are counted by.
        discords: whether it is Discord itself.
        near: whether it is on this machine by name.
        thread_id: the thread that the URL names.
    """

    base: str
    host: str
    discords: bool
    near: bool
    thread_id: str | None


def address_of(url: str, *, allow_private: bool) -> Address:
    """Where *url* leads.

    Raises:
        ValueError: a sentence that says what is wrong with it, and never what it is.
    """
    try:
        parts = urlsplit(url.strip())
        name, _ = parts.hostname, parts.port  # both raise for what cannot be
    except ValueError:
        raise ValueError("the URL cannot be read") from None
    if not name or parts.scheme not in {"http", "https"}:
        raise ValueError("the URL must begin with https:// and name a host")
    if parts.username or parts.password:
        raise ValueError("the URL must hold no user and password")
    thread = parse_qs(parts.query).get("thread_id", [""])[0]
    if thread and not re.fullmatch("[0-9]{1,20}", thread):
        raise ValueError("thread_id in the URL must be a number")
    if _DISCORD.fullmatch(name):
        found = _PATH.fullmatch(parts.path)
        if found is None:
            raise ValueError("a Discord webhook's URL ends in /api/webhooks/<id>/<token>")
        base = f"https://discord.com/api/v10/webhooks/{found[1]}/{found[2]}"
        return Address(base, "https://discord.com", discords=True, near=False, thread_id=thread or None)
    near = is_near(name)
    if parts.scheme == "http" and not near and not allow_private:
        raise ValueError("http:// is for this machine only; others need https://, or allow_private")
    host = f"{parts.scheme}://{parts.netloc.lower()}"
    path = parts.path.rstrip("/")
    return Address(f"{host}{path}", host, discords=False, near=near, thread_id=thread or None)


def is_near(name: str) -> bool:
    """Whether a host's name is that of the machine itself."""
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
