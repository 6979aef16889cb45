"""Says alerts in a Discord channel, through a webhook: one request at a time, within every limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx
import orjson
import structlog

from alert_bridge.carried import Carried
from alert_bridge.destinations import discord_message
from alert_bridge.destinations.destination import Delivered, Later, Packed, Stopped, Verdict
from alert_bridge.destinations.discord_address import Address, address_of
from alert_bridge.destinations.discord_answer import UNKNOWN_MESSAGE, Meaning, meaning_of
from alert_bridge.destinations.discord_limits import Lane, Limits
from alert_bridge.destinations.discord_message import Body
from alert_bridge.destinations.outward import NotPublic, Reply, ask, client
from alert_bridge.destinations.spec import DiscordSpec
from alert_bridge.reasons import Wait
from baleen_contracts.message import digest
from baleen_runtime.clock import Clock
from baleen_runtime.redact import Redactor

log = structlog.get_logger(__name__)

_USER_AGENT = {"User-Agent": "DiscordBot (alert-bridge, 1.0)"}  # the form that Discord asks for
_JSON = {"Content-Type": "application/json"}  # said of nothing, it would be nothing wrongly written
_MOST_BYTES = 1024 * 1024  # of a message object, whose texts may be escaped sixfold
_MAKES_THREAD = {"thread_name", "applied_tags"}
_NOT_EDITED = {"username", "avatar_url", "tts", "flags", *_MAKES_THREAD}


class DiscordDestination:
    """A webhook of Discord.

    A message's remote id is Discord's, and ``<thread>/<id>`` for one that stands in a thread.

    Args:
        name: as in the rules.
        spec: what the rules say of it.
        clock: by which limits are kept.
        limits: those of the whole process.
        http: a client to use instead of an own one.
    """

    def __init__(
        self,
        name: str,
        spec: DiscordSpec,
        *,
        clock: Clock,
        limits: Limits,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._name, self._spec, self._clock = name, spec, clock
        url = spec.url.get_secret_value()
        self._address: Address = address_of(url, allow_private=spec.allow_private)
        checked = not (self._address.discords or self._address.near or spec.allow_private)
        self._http = http or client(checked=checked, proxies=self._address.discords)
        self._owned = http is None
        self._redactor = Redactor([url, self._address.base, self._address.base.rpartition("/")[2]])
        self._lane = Lane(
            limits,
            host=self._address.host,
            webhook=digest(self._address.base),
            messages=spec.channel_messages,
            seconds=spec.channel_seconds,
        )
        self._channel: str | None = None

    @property
    def name(self) -> str:
        """As in the rules."""
        return self._name

    def pack(self, waiting: Sequence[Carried], *, digest: bool = False) -> Packed:
        """Up to ten embeds of alerts that wait, or their lines of text, or a digest of all."""
        return discord_message.pack(waiting, self._spec, digest=digest)

    def ready_in(self, now: float) -> float:
        """Seconds until all limits let a message go."""
        return self._lane.wait(now, "POST")

    async def send(self, body: Any) -> Verdict:
        """Say one message. The channel is looked up before the first, since limits are the channel's."""
        message: Body = body
        if self._channel is None and (verdict := await self._learn_channel()) is not None:
            return verdict
        thread_id = message.thread_id or self._address.thread_id
        query = {"wait": "true"} | ({"thread_id": thread_id} if thread_id else {})
        payload = dict(message.payload)
        if thread_id is not None:  # where the URL names a thread, none is made
            payload = {name: value for name, value in payload.items() if name not in _MAKES_THREAD}
        meaning = await self._request("POST", "", query, payload)
        verdict = meaning.verdict
        in_thread = thread_id is not None or "thread_name" in payload
        if in_thread and isinstance(verdict, Delivered) and verdict.remote_id and meaning.place:
            return Delivered(verdict.status, f"{meaning.place}/{verdict.remote_id}")
        return verdict

    async def edit(self, remote_id: str, body: Any) -> Verdict:
        """Let one message say *body*, as `pack` made it of one alert; what that does not name stays."""
        message: Body = body
        payload = {name: value for name, value in message.payload.items() if name not in _NOT_EDITED}
        meaning = await self._request("PATCH", *_place(remote_id), payload)
        return meaning.verdict

    async def delete(self, remote_id: str) -> Verdict:
        """Take one message back; one that is gone already is as good."""
        meaning = await self._request("DELETE", *_place(remote_id), None)
        return Delivered(404) if meaning.code == UNKNOWN_MESSAGE else meaning.verdict

    async def close(self) -> None:
        """Let go of connections."""
        if self._owned:
            await self._http.aclose()

    async def _learn_channel(self) -> Verdict | None:
        """Ask for the webhook itself. A host that has no answer to that may take messages all the same."""
        meaning = await self._request("GET", "", {}, None)
        verdict = meaning.verdict
        if isinstance(verdict, Later) and verdict.why is Wait.RATE_LIMITED:
            return verdict
        if isinstance(verdict, Later) and verdict.status is None:
            return Later(Wait.UNREACHABLE, detail=verdict.detail)  # no message was sent, whatever was lost
        if isinstance(verdict, Stopped) and (self._address.discords or meaning.code or not verdict.status):
            return verdict
        if meaning.place:
            self._channel = meaning.place
            self._lane.in_channel(meaning.place)
        elif not isinstance(verdict, Later):
            self._channel = ""
            log.warning("the channel of a destination is not known", destination=self._name)
        return None

    async def _request(self, kind: str, path: str, query: dict[str, str], payload: Any) -> Meaning:
        """One request, if the limits have room now; what its answer says of them is kept."""
        now = self._clock.monotonic()
        if (wait := self._lane.wait(now, kind)) > 0:
            return Meaning(Later(Wait.RATE_LIMITED, wait, failed=False))
        try:
            request = self._http.build_request(
                kind,
                self._address.base + path,
                params=query or None,
                headers=_USER_AGENT if payload is None else _USER_AGENT | _JSON,
                content=None if payload is None else orjson.dumps(payload),
            )
        except httpx.InvalidURL:
            return Meaning(Stopped(detail="the URL cannot be used"))
        self._lane.begin(now, kind)
        reply: Reply | None = None
        try:
            reply = await ask(self._http, request, most=_MOST_BYTES)
        except NotPublic as error:
            return Meaning(Stopped(detail=f"{error}; allow_private would permit it"))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return Meaning(Later(Wait.UNREACHABLE, detail=type(error).__name__))
        except (httpx.HTTPError, TimeoutError) as error:
            return Meaning(Later(Wait.NO_ANSWER, detail=type(error).__name__))
        finally:
            headers, status = (reply.headers, reply.status) if reply else ({}, None)
            self._lane.end(self._clock.monotonic(), kind, headers, status)
        return self._understood(reply)

    def _understood(self, reply: Reply) -> Meaning:
        meaning = meaning_of(reply.status, reply.headers, reply.body, shut_out=self._lane.shut_outs)
        if (pause := meaning.pause) is not None:
            until = self._clock.monotonic() + pause.seconds
            self._lane.pause(until, everywhere=pause.everywhere, shut_out=pause.shut_out)
            log.info("a destination asks for a pause", destination=self._name, seconds=pause.seconds)
        verdict = meaning.verdict
        if isinstance(verdict, Delivered):
            return meaning
        return replace(meaning, verdict=replace(verdict, detail=self._redactor.text(verdict.detail)))


def _place(remote_id: str) -> tuple[str, dict[str, str]]:
    """The path and the query of a message, by the id under which `send` reported it."""
    thread, _, message = remote_id.rpartition("/")
    return f"/messages/{message}", {"thread_id": thread} if thread else {}
