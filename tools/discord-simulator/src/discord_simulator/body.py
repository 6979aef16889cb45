"""Reads a request's body: JSON, a form, or a multipart form with files. Pure."""

from __future__ import annotations

from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl

import orjson

from discord_simulator.errors import Refused, invalid
from discord_simulator.problems import Problems

_JSON, _FORM, _MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"


def read_body(content_type: str, body: bytes) -> tuple[dict[str, Any], list[str]]:
    """The message in *body*, and the names of the files that came with it.

    Raises:
        Refused: it is of no kind that Discord reads, or not what it says it is.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == _JSON:
        return _object(body), []
    if kind == _FORM:
        return _form(dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))), []
    if kind == _MULTIPART:
        return _multipart(content_type, body)
    problems = Problems()
    message = f"Expected \"Content-Type\" header to be one of {{'{_JSON}', '{_FORM}', '{_MULTIPART}'}}."
    problems.add((), "CONTENT_TYPE_INVALID", message)
    raise invalid(problems)


def _object(body: bytes) -> dict[str, Any]:
    try:
        payload = orjson.loads(body)
    except ValueError:
        raise Refused(400, 50109, "The request body contains invalid JSON.") from None
    if not isinstance(payload, dict):
        problems = Problems()
        problems.add((), "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
        raise invalid(problems)
    return payload


def _form(fields: dict[str, str]) -> dict[str, Any]:
    payload = fields.pop("payload_json", None)
    return _object(payload.encode()) if payload is not None else dict(fields)


def _multipart(content_type: str, body: bytes) -> tuple[dict[str, Any], list[str]]:
    head = b"Content-Type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n"
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    if not isinstance(message, EmailMessage) or not message.is_multipart():
        raise Refused(400, 50109, "The request body is no multipart form.")
    fields: dict[str, str] = {}
    files: list[str] = []
    for part in message.iter_parts():
        content = part.get_payload(decode=True)
        if (name := part.get_filename()) is not None:
            files.append(str(name))
        elif (field := part.get_param("name", header="content-disposition")) is not None:
            fields[str(field)] = content.decode("utf-8", "replace") if isinstance(content, bytes) else ""
    return _form(fields), files
