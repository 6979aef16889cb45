"""Reads the bodies that Discord's webhooks take: JSON, forms and multipart, bounded each."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from alert_bridge.errors import Invalid, Problem
from alert_bridge.receive import discord
from alert_bridge.receive.body import body_up_to, chunks_up_to
from alert_bridge.receive.desk import Desk
from alert_bridge.receive.discord import Attachment
from alert_bridge.receive.signature import refuse_unsigned
from alert_bridge.receive.source import Source
from alert_bridge.settings import Settings

_FORM, _MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{1,200}")
_MAX_FILES = 10
_MAX_FIELDS = 50

Payload = tuple[dict[str, Any], tuple[Attachment, ...]]


async def read_payload(
    desk: Desk, request: Request, source: Source, *, wrapped: str = "payload_json"
) -> Payload:
    """The object in a request, and the files beside it. In a form it is the JSON of the field *wrapped*.

    Raises:
        Refused: it cannot be read, is too large, does not end, or is not signed though *source* signs.
    """
    settings = desk.settings
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == _MULTIPART:
        refuse_unsigned(source, {}, b"", desk.clock.now())  # nobody signs one: its bytes are not kept
        return await _read_multipart(settings, request, wrapped)
    body = await body_up_to(request, settings.max_body_bytes, settings.body_within)
    if source.signing_secret is not None:
        refuse_unsigned(source, request.headers, body, desk.clock.now())
    if kind == _FORM and not body.lstrip().startswith(b"{"):  # curl -d says form, whatever it sends
        try:
            fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        except ValueError:
            raise Invalid([Problem("", "The form has too many fields.")]) from None
        return _form_payload(fields, wrapped), ()
    return discord.read_json(body), ()


def _form_payload(fields: dict[str, Any], wrapped: str) -> dict[str, Any]:
    """A form's message: its *wrapped* field where it has one, and its other fields."""
    payload = fields.pop(wrapped, None)
    return {**fields, **(discord.read_json(payload.encode()) if payload else {})}


async def _read_multipart(settings: Settings, request: Request, wrapped: str) -> Payload:
    """A message with files. Their bytes are counted and let go; fields are bounded like any other body."""
    parser = MultiPartParser(
        _as_bytes(request),
        chunks_up_to(request, settings.max_upload_bytes, settings.body_within),
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
        return _form_payload(texts, wrapped), attachments
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
