"""Which secret a request shows in its ``Authorization`` header. Pure."""

from __future__ import annotations

import base64
import binascii

MAX_HEADER = 4_096


def shown_in(authorization: str) -> str | None:
    """The token in the value of an ``Authorization`` header: a bearer token, or the password of Basic.

    None without one: another scheme, or nothing that can be read.
    """
    scheme, _, value = authorization.partition(" ")
    value = value.strip()
    if not value or len(value) > MAX_HEADER:
        return None
    if scheme.lower() == "bearer":
        return value
    return _password(value) if scheme.lower() == "basic" else None


def _password(value: str) -> str | None:
    try:
        pair = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return pair.partition(":")[2] or None
