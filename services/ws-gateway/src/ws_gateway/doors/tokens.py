"""Whom a token speaks for, or why it is not believed. Pure; the time is handed in.

The signature, the audience and the issuer are checked by a library; times are checked here. A clock that goes
a little wrong is forgiven where a token is too new, never where it has ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt
from jwt.exceptions import (
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidSignatureError,
    MissingRequiredClaimError,
)

from ws_gateway.doors.keys import ALGORITHMS, MAX_TRIED, Key, KeySet
from ws_gateway.doors.rights import Identity
from ws_gateway.errors import Untrusted
from ws_gateway.topics import flaw_of

MAX_TOKEN_LENGTH: Final = 8_192
MAX_SUBJECT_LENGTH: Final = 256
MAX_PATTERNS: Final = 256
CLAIM: Final = "baleen"
_LATEST: Final = 2.0**53
_SIGNATURE_ONLY: Final = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_sub": False,
    "verify_jti": False,
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What is asked of a token beside its signature.

    Attributes:
        audience: one of these is named by the token's `aud`.
        issuer: the token's `iss`; None for any.
        leeway: seconds by which the clock of whoever makes tokens may go before ours.
        max_lifetime: seconds that a token may still last; None for any time.
    """

    audience: tuple[str, ...]
    issuer: str | None = None
    leeway: float = 0.0
    max_lifetime: float | None = None


@dataclass(frozen=True, slots=True)
class Denied:
    """Why somebody is not believed; *words* may be shown to everybody and repeat nothing of the token."""

    reason: Untrusted
    words: str


class _Doubt(Exception):  # noqa: N818 - never leaves this module
    """Ends the reading of a token."""

    def __init__(self, reason: Untrusted, words: str) -> None:
        super().__init__(words)
        self.denied = Denied(reason, words)


def check(token: str, keys: KeySet, rules: Rules, now: float) -> Identity | Denied:
    """Return whom *token* speaks for at *now* in Unix seconds, or why it does not; raises nothing."""
    try:
        claims = _signed(token, keys, rules)
        return _identity(claims, _end(claims, rules, now))
    except _Doubt as doubt:
        return doubt.denied
    except InvalidAudienceError:
        return Denied(Untrusted.AUDIENCE, f"the token is not for us: aud must be {_any_of(rules.audience)}")
    except InvalidIssuerError:
        return Denied(Untrusted.ISSUER, f"iss of the token must be {rules.issuer}")
    except MissingRequiredClaimError as missing:
        return Denied(Untrusted.CLAIMS, f"the token says no {missing.claim}")
    except Exception:  # noqa: BLE001 - whatever a stranger's bytes do to a library, they are no token
        return Denied(Untrusted.MALFORMED, "this is no signed JSON Web Token")


def _signed(token: str, keys: KeySet, rules: Rules) -> Mapping[str, Any]:
    """Return the claims of a token that one of *keys* has signed."""
    if len(token) > MAX_TOKEN_LENGTH:
        raise _Doubt(Untrusted.MALFORMED, f"a token has at most {MAX_TOKEN_LENGTH} characters")
    header = jwt.get_unverified_header(token)
    algorithm, kid = header.get("alg"), header.get("kid")
    if "crit" in header:
        raise _Doubt(Untrusted.MALFORMED, "the token demands (crit) what is not known here")
    if algorithm not in keys.algorithms:
        reason = Untrusted.UNKNOWN_KEY if algorithm in ALGORITHMS else Untrusted.ALGORITHM
        known = f"takes {_any_of(keys.algorithms)}" if keys else "has no keys"
        raise _Doubt(reason, f"the token's algorithm is not taken: the gateway {known}")
    candidates = keys.fitting(algorithm, kid)
    if not candidates:
        raise _Doubt(Untrusted.UNKNOWN_KEY, "the token is signed with a key (kid) that is not known here")
    if len(candidates) > MAX_TRIED:
        raise _Doubt(Untrusted.UNNAMED_KEY, "the token must name its key (kid): there are several")
    for key in candidates:
        try:
            return _opened(token, key, rules)
        except InvalidSignatureError:
            continue
    raise _Doubt(Untrusted.SIGNATURE, "the token's signature is wrong")


def _opened(token: str, key: Key, rules: Rules) -> Mapping[str, Any]:
    opened: Mapping[str, Any] = jwt.decode(
        token,
        key.material,
        algorithms=[key.algorithm],
        audience=list(rules.audience),
        issuer=rules.issuer,
        options={**_SIGNATURE_ONLY, "require": ["exp", "sub", "aud"]},  # type: ignore[arg-type]
    )
    return opened


def _end(claims: Mapping[str, Any], rules: Rules, now: float) -> float:
    """Return when the token ends; it holds now."""
    end = _moment(claims, "exp")
    if end <= now:
        raise _Doubt(Untrusted.EXPIRED, "the token has expired; come back with a new one")
    for name in ("nbf", "iat"):
        if name in claims and _moment(claims, name) > now + rules.leeway:
            raise _Doubt(Untrusted.NOT_YET, f"the token does not hold yet ({name}), or a clock is wrong")
    if rules.max_lifetime is not None and end > now + rules.max_lifetime + rules.leeway:
        words = f"the token lasts too long: {rules.max_lifetime:.0f} seconds are allowed"
        raise _Doubt(Untrusted.TOO_LONG, words)
    return end


def _moment(claims: Mapping[str, Any], name: str) -> float:
    moment = claims[name]
    if isinstance(moment, bool) or not isinstance(moment, int | float) or not 0 < moment < _LATEST:
        raise _Doubt(Untrusted.CLAIMS, f"{name} of the token is no time in seconds since 1970")
    return float(moment)


def _identity(claims: Mapping[str, Any], end: float) -> Identity:
    subject = claims["sub"]
    if not (isinstance(subject, str) and 0 < len(subject) <= MAX_SUBJECT_LENGTH and subject.isprintable()):
        words = f"sub of the token is no text of 1 to {MAX_SUBJECT_LENGTH} printable characters"
        raise _Doubt(Untrusted.CLAIMS, words)
    rights = claims.get(CLAIM, {})
    if not isinstance(rights, dict):
        raise _Doubt(Untrusted.CLAIMS, f"{CLAIM} of the token is no object")
    admin = rights.get("admin", False)
    if not isinstance(admin, bool):
        raise _Doubt(Untrusted.CLAIMS, f"{CLAIM}.admin of the token is neither true nor false")
    subscribe, publish = _patterns(rights, "subscribe"), _patterns(rights, "publish")
    return Identity(subject, subscribe, publish, admin=admin, expires_at=end)


def _patterns(rights: Mapping[str, Any], name: str) -> tuple[str, ...]:
    patterns = rights.get(name, [])
    if not isinstance(patterns, list) or len(patterns) > MAX_PATTERNS:
        words = f"{CLAIM}.{name} of the token is no list of at most {MAX_PATTERNS} patterns"
        raise _Doubt(Untrusted.CLAIMS, words)
    for pattern in patterns:
        flaw = flaw_of(pattern) if isinstance(pattern, str) else "a pattern is a text"
        if flaw is not None:
            raise _Doubt(Untrusted.CLAIMS, f"{CLAIM}.{name} of the token holds a wrong pattern: {flaw}")
    return tuple(patterns)


def _any_of(words: tuple[str, ...]) -> str:
    return " or ".join(words)
