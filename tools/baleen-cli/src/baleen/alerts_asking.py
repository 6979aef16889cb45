"""Asks an alert-bridge what became of alerts; whatever comes instead of an answer is said with its cure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import httpx

from baleen.errors import CannotRun

ADMIN_TOKEN: Final = "ALERT_BRIDGE_ADMIN_TOKEN"  # noqa: S105 - where a token is, not one
_WITHIN: Final = 30.0
_PAGE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Bridge:
    """An alert-bridge; any replica knows all.

    Attributes:
        url: where it is.
        token: an operator's, for one that is not on this machine; None where it asks for none.
    """

    url: str
    token: str | None = field(default=None, repr=False)

    def history(self, query: Mapping[str, str | int], limit: int) -> dict[str, Any]:
        """A page of history, asked for in as many parts as the bridge makes of it."""
        found: list[Any] = []
        page: dict[str, Any] = {}
        asked = dict(query)
        while len(found) < limit:
            page = self.ask("GET", "/alerts", {**asked, "limit": min(_PAGE, limit - len(found))})
            found += page.get("alerts") or []
            if not page.get("more"):
                break
            asked["since"] = page["next"]
        return {**page, "alerts": found}

    def alert(self, alert_id: str) -> dict[str, Any]:
        """The alerts of this id, with their lives."""
        return self.ask("GET", f"/alerts/{quote(alert_id, safe='')}")

    def alert_number(self, seq: int) -> dict[str, Any]:
        """The alert of this number, with its life."""
        return self.ask("GET", f"/alerts/seq/{seq}")

    def account(self) -> dict[str, Any]:
        """The account of every destination."""
        return self.ask("GET", "/account")

    def destinations(self) -> dict[str, Any]:
        """Every destination, and how it fares."""
        return self.ask("GET", "/destinations")

    def resume(self, name: str) -> dict[str, Any]:
        """Let a stopped destination try again."""
        return self.ask("POST", f"/destinations/{quote(name, safe='')}/resume")

    def letters(self, query: Mapping[str, str | int]) -> dict[str, Any]:
        """A page of dead letters."""
        return self.ask("GET", "/dead", query)

    def redeliver(self, destination: str, seqs: list[int] | None, *, dry_run: bool = False) -> dict[str, Any]:
        """Send dead letters again: these, or with None all that were not; at most a thousand at a time."""
        what: dict[str, Any] = {"all": True} if seqs is None else {"seqs": seqs}
        body = {"destination": destination, "dry_run": dry_run, **what}
        return self.ask("POST", "/dead/redeliver", body=body)

    def ask(
        self, method: str, path: str, query: Mapping[str, str | int] | None = None, body: Any = None
    ) -> dict[str, Any]:
        """The bridge's answer.

        Raises:
            CannotRun: it gave none, or one that says no.
        """
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            answer = httpx.request(
                method,
                self.url.rstrip("/") + path,
                params=dict(query or {}),
                json=body,
                headers=headers,
                timeout=_WITHIN,
            )
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise CannotRun(
                f"No alert-bridge answers at {self.url} ({type(error).__name__}). Is it up (`make up`)? Name "
                "another with --bridge."
            ) from None
        return _read(answer, self.url)


def _read(answer: httpx.Response, url: str) -> dict[str, Any]:
    page = _object_in(answer)
    if answer.status_code == httpx.codes.OK and page is not None:
        return page
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise CannotRun(
            f"The bridge tells only operators ({answer.status_code}): set {ADMIN_TOKEN} here to the token "
            "that the bridge was started with."
        )
    if page is not None and isinstance(page.get("errors"), list):
        raise CannotRun(
            "; ".join(f"{one.get('field')}: {one.get('message')}" for one in page["errors"]) + "."
        )
    if page is not None and isinstance(page.get("message"), str) and "error" in page:
        raise CannotRun(f"{page['message']}.")
    raise CannotRun(
        f"What answers at {url} is no alert-bridge that tells of alerts (status {answer.status_code}); its "
        "port is 8002 if nothing else is set."
    )


def _object_in(answer: httpx.Response) -> dict[str, Any] | None:
    try:
        page = answer.json()
    except ValueError:
        return None
    return page if isinstance(page, dict) else None
