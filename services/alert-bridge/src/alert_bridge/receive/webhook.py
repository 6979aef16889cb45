"""Takes what Discord's webhook clients send, with the same paths and answers: only the URL changes."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from alert_bridge.errors import BusAway, Invalid, Outcome, Problem, Refused
from alert_bridge.metrics import Dialect
from alert_bridge.receive import discord, shape
from alert_bridge.receive.desk import RETRY_AFTER, Desk, body_up_to, chunks_up_to
from alert_bridge.receive.discord import Answer, Attachment, Post
from alert_bridge.receive.mint import snowflake_of
from alert_bridge.store.outlet import outcome_of

_PATHS = ("/api/webhooks/{webhook_id}/{token}", "/api/v{version}/webhooks/{webhook_id}/{token}")
_VERSIONS = frozenset(map(str, range(6, 11)))
_FORM, _MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{1,200}")
_MAX_FILES = 10
_MAX_FIELDS = 50


def webhook_routes(desk: Desk) -> APIRouter:
    """`POST` and `GET` of a webhook, with and without an API version in the path."""
    routes = APIRouter(tags=["discord"])

    async def execute(request: Request, webhook_id: str, token: str, version: str = "10") -> Response:
        """Store one message as an alert: 204, or 200 and the message object with `wait`."""
        count = desk.timer(request, Dialect.DISCORD)
        try:
            outcome, answer = await _execute(desk, request, webhook_id, token, version)
        except Refused as error:
            outcome, answer = error.outcome, discord.refused_answer(error)
        except BusAway as error:
            outcome, answer = error.outcome, discord.away_answer(error, RETRY_AFTER)
        response = _response(answer)
        count(outcome)
        return response

    async def show(webhook_id: str, token: str, version: str = "10") -> Response:
        """The webhook, for whoever holds its token."""
        try:
            source = desk.sources.by_webhook(webhook_id, _known_version(version, token))
        except Refused as error:
            return _response(discord.refused_answer(error))
        return _response(
            discord.webhook_answer(
                webhook_id=source.id, token=source.token, name=source.name, now=desk.clock.now()
            )
        )

    for path in _PATHS:
        routes.add_api_route(path, execute, methods=["POST"], response_model=None)
        routes.add_api_route(path, show, methods=["GET"], response_model=None)
    return routes


def _known_version(version: str, token: str) -> str:
    """The token, or none at all under a version that Discord never had."""
    return token if version in _VERSIONS else ""


async def _execute(
    desk: Desk, request: Request, webhook_id: str, token: str, version: str
) -> tuple[Outcome, Answer]:
    source = desk.sources.by_webhook(webhook_id, _known_version(version, token))
    post = await _read_post(desk, request)
    now = desk.clock.now()
    key, fresh = request.headers.get("idempotency-key"), desk.fresh_id()
    alert = shape.alert_from_post(
        post,
        key=key,
        sender=source,
        fresh_id=fresh,
        now=now,
    )
    stored = await desk.outlet.store(alert)
    answer = discord.stored_answer(
        post,
        wait=discord.wants_message(request.query_params.get("wait")),
        message_id=snowflake_of(alert.identity) if key else fresh,
        webhook_id=source.id,
        name=source.name,
        now=now,
    )
    return outcome_of(stored), answer


async def _read_post(desk: Desk, request: Request) -> Post:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    thread = request.query_params.get("thread_id")
    place = {} if thread is None else {"thread_id": thread}
    if kind == _MULTIPART:
        return await _read_multipart(desk, request, place)
    body = await body_up_to(request, desk.settings.max_body_bytes)
    if kind == _FORM and not body.lstrip().startswith(b"{"):  # curl -d says form, whatever it sends
        fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        return discord.read_post({**_form_payload(fields), **place})
    return discord.read_post({**discord.read_json(body), **place})


def _form_payload(fields: dict[str, Any]) -> dict[str, Any]:
    """A form's message: its ``payload_json`` where it has one, and its other fields."""
    payload = fields.pop("payload_json", None)
    return {**fields, **(discord.read_json(payload.encode()) if payload else {})}


async def _read_multipart(desk: Desk, request: Request, place: dict[str, str]) -> Post:
    """A message with files. Their bytes are counted and let go; fields are bounded like any other body."""
    settings = desk.settings
    parser = MultiPartParser(
        _as_bytes(request),
        chunks_up_to(request, settings.max_upload_bytes),
        max_files=_MAX_FILES,
        max_fields=_MAX_FIELDS,
        max_part_size=settings.max_body_bytes,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Invalid([Problem("", error.message)]) from None
    try:
        files = [value for value in form.values() if isinstance(value, UploadFile)]
        texts = {_utf8(name): _utf8(value) for name, value in form.items() if isinstance(value, str)}
        attachments = tuple(
            Attachment(_utf8(file.filename or "file"), file.content_type, file.size or 0) for file in files
        )
        return discord.read_post({**_form_payload(texts), **place}, attachments)
    finally:
        await form.close()


def _as_bytes(request: Request) -> Headers:
    """The one header a multipart parser reads, made to give every text as latin-1: its bytes, one by one.

    Left alone, it would decode with whatever charset the sender names, and guess where that fails.
    """
    _, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary", b"").decode("latin-1")
    if not _BOUNDARY.fullmatch(boundary):
        raise Invalid([Problem("", "Missing or malformed boundary in multipart.")])
    return Headers({"content-type": f'{_MULTIPART}; boundary="{boundary}"; charset=latin-1'})


def _utf8(text: str) -> str:
    """What the bytes in *text* say.

    Raises:
        Invalid: they are not UTF-8.
    """
    try:
        return text.encode("latin-1").decode()
    except UnicodeDecodeError:
        raise Invalid([Problem("", "Texts of a multipart message must be UTF-8.")]) from None


def _response(answer: Answer) -> Response:
    """JSON with exactly ``application/json``: clients compare the header for equality."""
    if answer.body is None:
        return Response(status_code=answer.status, headers=answer.headers)
    return JSONResponse(answer.body, answer.status, headers=answer.headers)
