"""Alerts as signed requests after Standard Webhooks, and what the answers mean. Pure.

The id of a request is made from the alert and the destination's name, so it is the same however often the
alert is sent; receivers use it to take each once. An alert that is sent again by hand has another one.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any
from urllib.parse import urlsplit

import orjson

from alert_bridge.carried import Carried
from alert_bridge.destinations.destination import Delivered, Later, Packed, Rejected, Stopped, Verdict
from alert_bridge.reasons import Wait
from baleen_contracts.message import digest as digest_of

LONGEST_PAUSE = 3_600.0

_PREFIX = "whsec_"
_SHORTEST_KEY, _LONGEST_KEY = 16, 64
_MOST_BYTES = 256 * 1024  # of a digest
_STOPS = {401, 403, 404, 410}
_LATER = {408, 425, 429}


@dataclass(frozen=True, slots=True)
class Body:
    """One request: its id and its bytes, the same at each attempt."""

    id: str
    content: bytes


def check_url(url: str, *, allow_private: bool) -> None:
    """See that *url* can be a destination, as far as its text tells.

    Raises:
        ValueError: a sentence that says what is wrong with it, and never what it is.
    """
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port  # both raise for what cannot be
    except ValueError:
        raise ValueError("the URL cannot be read") from None
    if parts.scheme not in ({"https", "http"} if allow_private else {"https"}) or not host:
        raise ValueError(
            "the URL must begin with https:// and name a host; allow_private permits http:// too"
        )
    if parts.username is not None or parts.password is not None:
        raise ValueError("the URL must hold no user and password")


def key_of(secret: str) -> bytes:
    """The key in a secret of the form that Standard Webhooks gives it.

    Raises:
        ValueError: it has another form.
    """
    text = secret.strip().removeprefix(_PREFIX)
    try:
        key = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY:
        raise ValueError("the secret must be whsec_ and 16 to 64 random bytes in base64")
    return key


def pack(name: str, waiting: Sequence[Carried], *, digest: bool) -> Packed:
    """The next request of *waiting*: of the first, or a digest of all."""
    if digest and len(waiting) > 1:
        return _digest(name, waiting)
    one = waiting[0]
    content = _content(one.alert.type, one.alert.occurred_at, orjson.Fragment(one.alert.to_json()))
    return Packed(1, Body(_id(name, one), content))


def headers_of(body: Body, key: bytes, now: datetime) -> dict[str, str]:
    """What goes with *body* at this attempt."""
    at = str(int(now.timestamp()))
    signed = hmac.digest(key, f"{body.id}.{at}.".encode() + body.content, "sha256")
    return {
        "Content-Type": "application/json",
        "User-Agent": "alert-bridge",
        "webhook-id": body.id,
        "webhook-timestamp": at,
        "webhook-signature": f"v1,{b64encode(signed).decode()}",
    }


def verdict_of(status: int, headers: Mapping[str, str], now: datetime) -> Verdict:
    """What an answer means; its body says nothing that we rely on."""
    detail = f"status {status}"
    if status < 300:  # noqa: PLR2004 - a success
        return Delivered(status)
    if status < 400:  # noqa: PLR2004 - whoever gave the address must know where it leads
        return Stopped(status, f"{detail}: redirects are not followed")
    if status in _STOPS:
        return Stopped(status, detail)
    after = _retry_after(headers.get("retry-after", ""), now)
    if after is not None and after > LONGEST_PAUSE:
        after, detail = LONGEST_PAUSE, f"{detail}: asks for {after:.0f} s; trying again after an hour"
    if status in _LATER:
        return Later(Wait.RATE_LIMITED, after, status, detail, failed=False)
    if status >= 500:  # noqa: PLR2004 - it may work the next time
        return Later(Wait.SERVER_ERROR, after, status, detail)
    return Rejected(status, detail)


def _digest(name: str, waiting: Sequence[Carried]) -> Packed:
    shown: list[Any] = []
    left = _MOST_BYTES
    for one in waiting:
        data = one.alert.to_json()
        left -= len(data)
        if left < 0 and shown:
            break
        shown.append(orjson.Fragment(data))
    said = {"count": len(waiting), "not_shown": len(waiting) - len(shown), "alerts": shown}
    ids = digest_of(*(_id(name, one) for one in waiting))
    content = _content("alert.v1.digest", waiting[-1].alert.occurred_at, said)
    return Packed(len(waiting), Body(f"msg_{ids}", content))


def _content(kind: str, at: datetime, data: Any) -> bytes:
    return orjson.dumps({"type": kind, "timestamp": at, "data": data}, option=orjson.OPT_UTC_Z)


def _id(name: str, one: Carried) -> str:
    """The same for the same alert; senders may use an id again, or one of another's, and mean another."""
    alert, replays = one.alert, str(one.replays) if one.replays else None
    return f"msg_{digest_of(name, alert.source, alert.message_id, str(one.seq), replays)}"


def _retry_after(value: str, now: datetime) -> float | None:
    """Seconds, given as such or as a date."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            until = parsedate_to_datetime(value)
        except ValueError:
            return None
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        seconds = (until - now).total_seconds()
    return max(seconds, 0.0) if isfinite(seconds) else None
