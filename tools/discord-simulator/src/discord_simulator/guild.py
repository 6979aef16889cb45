"""Decides what is answered to a request to the webhook API. Pure: the moment is an argument."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import orjson

from discord_simulator.body import read_body
from discord_simulator.errors import Refused, invalid
from discord_simulator.faults import Fault, Faults, Kind
from discord_simulator.limits import Figures, Limits, Offences, Refusal, Scope, retry_after
from discord_simulator.messages import Ids, edited, message_of
from discord_simulator.record import Deed, Record
from discord_simulator.validation import check_message, is_empty
from discord_simulator.webhooks import Webhook, Webhooks

VERSIONS = range(6, 11)
UNVERSIONED = 6
"""What a path without a version means."""
_TRUE, _COUNTED = ("true", "1"), (401, 403, 429)
_VIA = {"Via": "1.1 google"}
"""Without it clients take a 429 for a ban by the network in front."""
_PAGE = (
    b"<!DOCTYPE html><html><head><title>Access denied | used Cloudflare to restrict access</title>"
    b"</head><body><h1>Error 1015</h1><p>You are being rate limited</p></body></html>"
)
_WORDS = {
    401: (50027, "Invalid Webhook Token"),
    403: (50013, "Missing Permissions"),
    404: (10015, "Unknown Webhook"),
}


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to the webhook API.

    ``version`` is that of the path; ``agent`` tells whether it has a User-Agent.
    """

    method: str
    version: int
    webhook_id: str
    token: str
    address: str
    message_id: str | None = None
    query: dict[str, str] = field(default_factory=dict)
    content_type: str = ""
    body: bytes = b""
    agent: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered. ``kind``: of the fault that spoils it, ``late`` by how many seconds."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    kind: Kind | None = None
    late: float = 0.0


class Guild:
    """Webhooks, their limits and faults, and everything that was said.

    Args:
        webhooks: those that exist.
        figures: what is allowed.
        record: keeps what was said.
        ban_after: refusals in ten minutes after which an address is banned.
    """

    def __init__(self, webhooks: Webhooks, figures: Figures, record: Record, *, ban_after: int) -> None:
        self.webhooks = webhooks
        self.limits = Limits(figures)
        self.offences = Offences(ban_after)
        self.faults = Faults()
        self.record = record
        self._ids = Ids()

    def answer(self, ask: Ask, now: float) -> Reply:
        """What *ask* is answered; what it says is taken or not by then."""
        self.record.asked(now)
        if self.offences.banned(ask.address, now):
            reply = _page()
        else:
            reply, counted = self._admit(ask, now)
            if counted:
                self.offences.note(ask.address, now)
        self.record.counts[f"status_{reply.status}"] += 1
        return reply

    def _admit(self, ask: Ask, now: float) -> tuple[Reply, bool]:
        """The reply, and whether it counts towards a ban."""
        found = self.webhooks.find(ask.webhook_id, ask.token)
        fault = self.faults.strike(found.name if found else None, takes=False)
        if fault is not None:
            reply = _spoilt(fault, ask.version)
            return reply, reply.status in _COUNTED
        refusal = self.limits.enter(ask.address, now)
        if refusal is not None:
            return self._limited(refusal, ask, None, now), True
        bucket = None
        try:
            webhook = self._known(ask, found)
            bucket = f"{_route(ask)}:{webhook.id}"
            speaks = webhook.channel if ask.method == "POST" else None
            refusal = self.limits.speak(bucket, speaks, now)
            if refusal is not None:
                return self._limited(refusal, ask, bucket, now), refusal.scope is not Scope.SHARED
            status, body, fault = self._do(ask, webhook, now)
        except Refused as error:
            headers = self.limits.headers(bucket, now, ask.version) if bucket else {}
            return _refused(error, ask.version, headers), error.status in _COUNTED
        reply = Reply(status, body, {**_VIA, **self.limits.headers(bucket, now, ask.version)})
        return (reply if fault is None else _taken(fault, reply)), False

    def _known(self, ask: Ask, found: Webhook | None) -> Webhook:
        if ask.version not in VERSIONS:
            raise Refused(400, 50041, "Invalid API version")
        if not ask.agent:
            raise Refused(403, 40333, "internal network error")
        if found is None:
            status = 401 if self.webhooks.known(ask.webhook_id) else 404
            raise Refused(status, *_WORDS[status])
        return found

    def _do(self, ask: Ask, webhook: Webhook, now: float) -> tuple[int, bytes, Fault | None]:
        """Do what is asked; returns status, body, and the fault that strikes once it is done."""
        if ask.message_id is None:
            if ask.method == "GET":
                return 200, orjson.dumps(webhook.shown()), None
            return self._execute(ask, webhook, now)
        message = self.record.message(ask.message_id)
        if message is None or message["webhook_id"] != webhook.id:
            raise Refused(404, 10008, "Unknown Message")
        if ask.method == "GET":
            return 200, orjson.dumps(message), None
        if ask.method == "DELETE":
            return 204, b"", self._note(Deed.DELETED, webhook, message, now)
        message = edited(message, self._read(ask, new=False)[0], now=now)
        if is_empty(message, files=len(message["attachments"])):
            raise Refused(400, 50006, "Cannot send an empty message")
        return 200, orjson.dumps(message), self._note(Deed.EDITED, webhook, message, now)

    def _execute(self, ask: Ask, webhook: Webhook, now: float) -> tuple[int, bytes, Fault | None]:
        payload, files = self._read(ask, new=True)
        message = message_of(payload, webhook=webhook, message_id=self._ids.next(now), files=files, now=now)
        fault = self._note(Deed.SAID, webhook, message, now)
        wants = ask.query.get("wait", "").lower() in _TRUE
        return (200, orjson.dumps(message), fault) if wants else (204, b"", fault)

    def _note(self, deed: Deed, webhook: Webhook, message: dict[str, Any], now: float) -> Fault | None:
        fault = self.faults.strike(webhook.name, takes=True)
        answered = "answered" if fault is None else str(fault.kind)
        self.record.note(deed, webhook, message, answered=answered, now=now)
        return fault

    def _read(self, ask: Ask, *, new: bool) -> tuple[dict[str, Any], list[str]]:
        payload, files = read_body(ask.content_type, ask.body)
        problems = check_message(payload, files=len(files))
        if problems.found:
            raise invalid(problems)
        if new and (payload.get("thread_name") or payload.get("applied_tags")):
            raise Refused(400, 220003, "Webhooks can only create threads in forum channels")
        if new and is_empty(payload, files=len(files)):
            raise Refused(400, 50006, "Cannot send an empty message")
        return payload, files

    def _limited(self, refusal: Refusal, ask: Ask, bucket: str | None, now: float) -> Reply:
        self.record.counts[f"limited_{refusal.scope}"] += 1
        headers = self.limits.headers(bucket, now, ask.version) if bucket else {}
        return _too_many(refusal, ask.version, headers)


def _route(ask: Ask) -> str:
    return ask.method if ask.message_id is None else f"{ask.method} message"


def _too_many(refusal: Refusal, version: int, headers: dict[str, str]) -> Reply:
    """A 429. In that of a channel the reset header tells of the webhook, and so of another time."""
    header, seconds = retry_after(refusal.after, version)
    everybody = refusal.scope is Scope.GLOBAL
    told = {"Retry-After": header, "X-RateLimit-Scope": str(refusal.scope)}
    told |= {"X-RateLimit-Global": "true"} if everybody else {}
    body = {"message": "You are being rate limited.", "retry_after": seconds, "global": everybody}
    return Reply(429, orjson.dumps(body), {**_VIA, **headers, **told})


def _refused(error: Refused, version: int, headers: dict[str, str]) -> Reply:
    body = {"message": str(error), "code": error.code}
    told = error.problems.body(version) if error.problems is not None else body
    return Reply(error.status, orjson.dumps(told), {**_VIA, **headers})


def _spoilt(fault: Fault, version: int) -> Reply:
    """What a fault answers to what it keeps from being taken."""
    if fault.kind is Kind.CLOUDFLARE:
        return _page(fault.seconds)
    if fault.kind is Kind.RATE_LIMITED_BARE:
        _, seconds = retry_after(fault.pause, version)
        body = {"message": "You are being rate limited.", "retry_after": seconds, "global": False}
        return Reply(429, orjson.dumps(body), _VIA)
    if fault.kind is Kind.RATE_LIMITED:
        headers = {"X-RateLimit-Limit": "5", "X-RateLimit-Remaining": "0"}
        headers["X-RateLimit-Reset-After"] = f"{fault.pause:.3f}"
        return _too_many(Refusal(Scope.USER, fault.pause), version, headers)
    if fault.kind is Kind.RESET:
        return Reply(0, kind=fault.kind)
    return _failed(fault.status)


def _taken(fault: Fault, reply: Reply) -> Reply:
    """What a fault makes of the reply to what was taken."""
    if fault.kind is Kind.TAKEN_STATUS:
        return _failed(fault.status)
    if fault.kind is Kind.TAKEN_GARBAGE:
        return Reply(200, b'{"id": "12', reply.headers)
    if fault.kind is Kind.TAKEN_SLOW:
        return Reply(reply.status, reply.body, reply.headers, late=fault.pause)
    return Reply(0, kind=fault.kind)


def _failed(status: int) -> Reply:
    if status in _WORDS:
        code, message = _WORDS[status]
        return Reply(status, orjson.dumps({"message": message, "code": code}), _VIA)
    body = orjson.dumps({"message": f"{status}: it failed", "code": 0})
    return Reply(status, body, _VIA)


def _page(seconds: float | None = None) -> Reply:
    """The network in front turns somebody away; when to come again is said only where it is known."""
    headers = {} if seconds is None else {"Retry-After": str(math.ceil(seconds))}
    return Reply(429, _PAGE, headers, content_type="text/html; charset=UTF-8")
