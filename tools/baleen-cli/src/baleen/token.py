"""`baleen token`: a token to try the gateway with, made with the shared secret that it checks with."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from baleen.errors import CannotRun
from baleen.state import project_root, read_dotenv
from baleen.terminal import Terminal

_KEY = "WS_GATEWAY_AUTH_KEY"
_SHORTEST = 32


@dataclass(frozen=True, slots=True)
class TokenOptions:
    """What the token says.

    Attributes:
        subject: whose it is.
        subscribe: patterns of what may be heard.
        publish: patterns of the subjects under which commands may be given.
        admin: whether other clients may be looked at.
        minutes: how long it lasts.
    """

    subject: str
    subscribe: tuple[str, ...]
    publish: tuple[str, ...]
    admin: bool
    minutes: float


def token(options: TokenOptions, terminal: Terminal, problems: Terminal) -> int:
    """Print a token and nothing else; return 1 where there is no secret to make it with.

    Args:
        options: what the token says.
        terminal: where it is printed.
        problems: where it is said why there is none.
    """
    try:
        settings = read_dotenv(project_root(Path.cwd()) / ".env") | dict(os.environ)
        terminal.plain(make_token(options, settings, time.time()))
    except CannotRun as problem:
        problems.problem(str(problem))
        return 1
    return 0


def make_token(options: TokenOptions, settings: Mapping[str, str], now: float) -> str:
    """Return a token that a gateway with these *settings* takes.

    Raises:
        CannotRun: the settings hold no shared secret.
    """
    secret = settings.get(_KEY, "").strip()
    if secret.startswith("-----BEGIN"):
        raise CannotRun(
            f"{_KEY} is a public key: whoever has the private one makes tokens, see docs/security.md."
        )
    if len(secret.encode()) < _SHORTEST:
        raise CannotRun(
            f"There is no secret to sign with: put WS_GATEWAY_AUTH=jwt and {_KEY}=… of {_SHORTEST} bytes or "
            "more into .env (`openssl rand -hex 32` makes one), and start the gateway anew."
        )
    rights: dict[str, Any] = {
        "subscribe": options.subscribe,
        "publish": options.publish,
        "admin": options.admin,
    }
    claims = {
        "sub": options.subject,
        "aud": settings.get("WS_GATEWAY_AUTH_AUDIENCE", "baleen").partition(",")[0].strip(),
        "exp": int(now + options.minutes * 60),
        "baleen": rights,
    }
    issuer = settings.get("WS_GATEWAY_AUTH_ISSUER")
    return jwt.encode(claims | ({"iss": issuer} if issuer else {}), secret, "HS256")
