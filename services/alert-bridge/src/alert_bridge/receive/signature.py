"""Whether a body was signed by whoever has the source's secret, in one of three usual ways. Pure.

Standard Webhooks (``webhook-id``, ``webhook-timestamp``, ``webhook-signature``), GitHub
(``X-Hub-Signature-256``) and Grafana (``X-Grafana-Alerting-Signature``, with a time if it sends one).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from datetime import datetime

from alert_bridge.errors import NotAllowed
from alert_bridge.receive.source import Source

WITHIN = 300.0
"""Seconds by which the time of a signature may differ from ours."""
_PREFIX = "whsec_"
_GRAFANA, _GRAFANA_TIME = "x-grafana-alerting-signature", "x-grafana-alerting-timestamp"


def refuse_unsigned(source: Source | None, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    """Let *body* pass if its source signs nothing, or signed this.

    Raises:
        NotAllowed: the signature is missing, wrong or too old.
    """
    if source is None or source.signing_secret is None:
        return
    secret = source.signing_secret
    if "webhook-signature" in headers:
        good = _standard(secret, headers, body, now)
    elif "x-hub-signature-256" in headers:
        good = _same(headers["x-hub-signature-256"], "sha256=" + _hex(secret, body))
    elif _GRAFANA in headers:
        good = _grafana(secret, headers, body, now)
    else:
        raise NotAllowed("this source signs what it sends, and here is no signature")
    if not good:
        raise NotAllowed("the signature is wrong or too old")


def _standard(secret: str, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    named, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    key = _key(secret)
    if key is None or not _is_fresh(at, now):
        return False
    digest = hmac.digest(key, f"{named}.{at}.".encode() + body, "sha256")
    wanted = "v1," + base64.b64encode(digest).decode()
    shown = headers["webhook-signature"].split(" ")[:10]
    return any([_same(one, wanted) for one in shown])  # noqa: C419 - all are compared, whichever is right


def _grafana(secret: str, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    at = headers.get(_GRAFANA_TIME)
    if at is None:
        return _same(headers[_GRAFANA], _hex(secret, body))
    return _is_fresh(at, now) and _same(headers[_GRAFANA], _hex(secret, at.encode() + b":" + body))


def _key(secret: str) -> bytes | None:
    """The bytes of a secret as Standard Webhooks spells them: base64 after a prefix, or as they are."""
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        return None


def _is_fresh(at: str, now: datetime) -> bool:
    return at.isascii() and at.isdigit() and len(at) <= 12 and abs(now.timestamp() - int(at)) <= WITHIN  # noqa: PLR2004 - digits of a time


def _hex(secret: str, body: bytes) -> str:
    return hmac.digest(secret.encode(), body, "sha256").hex()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode())
