"""Says who somebody is, by its token and the keys that hold now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from baleen_runtime.health import Health
from ws_gateway.doors.bearer import Bearer
from ws_gateway.doors.keyring import PAUSE, Keyring
from ws_gateway.doors.keys import KeySet, key_of
from ws_gateway.doors.rights import ANYBODY, Identity
from ws_gateway.doors.tokens import Denied, Rules, check
from ws_gateway.errors import Untrusted
from ws_gateway.settings import Settings

MISSING: Final = Denied(
    Untrusted.MISSING,
    "a token is needed: as Authorization: Bearer, as subprotocol bearer.<token>, or as ?token=",
)
_KEYS_AWAY: Final = Denied(
    Untrusted.KEYS_AWAY, "tokens of this key cannot be checked at the moment; try again later"
)


class Witness:
    """Knows people by their tokens; where nobody is asked for one, everybody is anybody."""

    def __init__(self, settings: Settings, health: Health, *, now: Callable[[], float]) -> None:
        """Take the keys of the settings; `keep_keys` reads the others.

        Args:
            settings: what the operator decided.
            health: is told whether there are keys.
            now: Unix seconds.
        """
        self._now = now
        self.asks = settings.auth == "jwt"
        """Whether clients must say who they are."""
        self._rules = Rules(
            settings.auth_audience,
            settings.auth_issuer,
            settings.auth_leeway_seconds,
            settings.auth_max_lifetime_seconds,
        )
        self.keyring = Keyring(
            _fixed(settings),
            settings.auth_jwks,
            every=settings.auth_jwks_refresh_seconds,
            pause=PAUSE,
            on_read=lambda flaw: health.report("keys", ok=flaw is None, reason=flaw or ""),
        )

    async def keep_keys(self) -> None:
        """Read the keys again and again until cancelled; returns at once where they never change."""
        await self.keyring.keep()

    def identify(self, token: str | None) -> Identity | Denied:
        """Return whom *token* speaks for, or why it is not believed, in words that it may be told."""
        verdict = self._check(token)
        if isinstance(verdict, Denied) and verdict.reason is Untrusted.UNKNOWN_KEY and self.keyring.changes:
            self.keyring.wish()
            return _KEYS_AWAY
        return verdict

    async def identify_patiently(self, bearer: Bearer | None) -> Identity | Denied:
        """Do the same for one who comes in; where the token's key is not known, wait for newer keys once."""
        token = bearer.token if bearer else None
        verdict = self.identify(token)
        if isinstance(verdict, Denied) and verdict.reason is Untrusted.KEYS_AWAY:
            verdict = self._check(token) if await self.keyring.read_anew() else verdict
        return verdict

    def _check(self, token: str | None) -> Identity | Denied:
        if not self.asks:
            return ANYBODY
        if token is None:
            return MISSING
        if not self.keyring.keys:
            return _KEYS_AWAY
        return check(token, self.keyring.keys, self._rules, self._now())


def _fixed(settings: Settings) -> KeySet:
    """Return the key of the settings, if there is one."""
    text = settings.auth_key
    return KeySet() if text is None else KeySet((key_of(text.get_secret_value()),))
