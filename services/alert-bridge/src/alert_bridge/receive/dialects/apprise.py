"""What Apprise sends to `json://`: version, title, message, type, and files as base64. Pure."""

from __future__ import annotations

from typing import Any

from alert_bridge.errors import Empty, Unreadable
from alert_bridge.receive.shape import BridgedAlert
from alert_bridge.receive.told import Told
from alert_bridge.receive.values import LONGEST, as_text, mapped, plain_text, severity_of

_BASE64 = 4 / 3


def read_apprise(told: Told) -> list[BridgedAlert]:
    """One alert. Everything it says besides title and message is a label; files are named, not kept.

    Raises:
        Unreadable: it is no JSON object.
        Empty: it has neither title, message nor file.
        Invalid: it is nested too deep, or a field is wrong.
    """
    said = told.json()
    if not isinstance(said, dict):
        raise Unreadable("the body must be one JSON object")
    title, message = plain_text(said.get("title")), plain_text(said.get("message"))
    files = said.get("attachments")
    if title is None and message is None and not files:
        raise Empty("neither title nor message")
    fields: dict[str, Any] = {"title": title, "content": message, "severity": severity_of(said.get("type"))}
    labels = {f"apprise.{name}": as_text(value) for name, value in said.items() if not _is_told(name, value)}
    if files:
        labels["apprise.attachments"] = as_text(_named(files))
    return [told.alert({**fields, **mapped(said, told.sender)}, labels)]


def _is_told(name: str, value: Any) -> bool:
    """Whether the alert says it already, whole."""
    if value is None or name == "attachments":
        return True
    longest = {"title": LONGEST["title"], "message": LONGEST["content"]}.get(name, 0)
    return isinstance(value, str) and len(value) <= longest


def _named(files: Any) -> Any:
    """The files without their bytes."""
    if not isinstance(files, list):
        return files
    return [_without_bytes(file) if isinstance(file, dict) else file for file in files]


def _without_bytes(file: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in file.items() if name != "base64"}
    data = file.get("base64")
    return {**rest, "size": int(len(data) / _BASE64)} if isinstance(data, str) else rest
