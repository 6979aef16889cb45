"""Who may see what was alerted, and act on it: whoever is on this machine, else an operator. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from hmac import compare_digest

from alert_bridge.errors import NotAllowed

TOKEN_VARIABLE = "ALERT_BRIDGE_ADMIN_TOKEN"  # noqa: S105 - where a token is, not one


class Gate:
    """Lets operators pass.

    Args:
        token: what an operator shows; None if nobody can.
        trusts_loopback: whether being on this machine is enough.
    """

    def __init__(self, token: str | None, *, trusts_loopback: bool) -> None:
        self._token = token.encode() if token else None
        self._trusts_loopback = trusts_loopback

    def knows(self, token: str) -> bool:
        """Whether this is the operator's token; takes the same time for every wrong one of its length."""
        shown = token.encode("utf-8", "surrogatepass")
        return self._token is not None and compare_digest(self._token, shown)

    def admit(self, headers: Mapping[str, str]) -> None:
        """Let a request with these headers pass.

        Raises:
            NotAllowed: it does not come from an operator.
        """
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            if not self.knows(token.strip()):
                raise NotAllowed("this bearer token is not the operator's")
            return
        if not self._trusts_loopback:
            if self._token is None:
                raise NotAllowed(f"only operators may see this, and {TOKEN_VARIABLE} is not set", known=True)
            raise NotAllowed(f"a bearer token is needed: the one in {TOKEN_VARIABLE}")
        if "origin" in headers:  # only browsers send it: any page could ask a port of this machine
            raise NotAllowed("web pages need the operator's bearer token", known=True)
