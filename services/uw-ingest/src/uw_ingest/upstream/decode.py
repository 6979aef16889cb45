"""From the bytes of one frame to what upstream said: data, an answer, a complaint, or a refusal.

Pure. Nothing that upstream can send makes it raise.
"""

from typing import Any, NamedTuple

import orjson

from uw_ingest.refusals import Refusal

MAX_FRAME_BYTES = 1 << 20  # the largest honest frame, a periscope chunk of 1,024 rows, is about 100 KB
MAX_CHANNEL_CHARS = 64

_COMPLAINT_KEYS = frozenset({"error", "message", "reason", "response", "status", "code"})


class Data(NamedTuple):
    """A payload on a channel."""

    channel: str
    payload: dict[str, Any]


class Answer(NamedTuple):
    """Upstream's answer to a join: accepted or not, and why not, in upstream's own words.

    The words are whole: whoever shows them takes the token out first and cuts them after, since a cut
    through the token would leave half of it unrecognised.
    """

    channel: str
    accepted: bool
    why: str = ""


class Complaint(NamedTuple):
    """An error that names no channel, for instance the limit on joins."""

    text: str


Decoded = Data | Answer | Complaint | Refusal


def decode(body: bytes) -> Decoded:  # noqa: PLR0911 - one return per kind of frame
    """Say what one text frame is."""
    if len(body) > MAX_FRAME_BYTES:
        return Refusal.OVERSIZED
    try:
        frame = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Refusal.NOT_JSON if _is_utf8(body) else Refusal.INVALID_UTF8
    if type(frame) is not list or len(frame) != 2:  # noqa: PLR2004 - a pair
        return _complaint(frame)
    channel, payload = frame
    if type(channel) is not str or not channel or len(channel) > MAX_CHANNEL_CHARS:
        return Refusal.BAD_CHANNEL
    if type(payload) is not dict:
        return Refusal.BAD_PAYLOAD
    if ("response" in payload or "error" in payload) and payload.keys() <= _COMPLAINT_KEYS:
        return _answer(channel, payload)
    return Data(channel, payload)


def sniff_channel(body: bytes) -> str | None:
    """Guess a frame's channel without parsing it, for frames that are dropped unread."""
    end = body.find(b'"', 2, MAX_CHANNEL_CHARS + 3)
    if not body.startswith(b'["') or end < 0:
        return None
    try:
        return body[2:end].decode()
    except UnicodeDecodeError:
        return None


def _answer(channel: str, payload: dict[str, Any]) -> Answer:
    if payload.get("status") == "ok" and "error" not in payload:
        return Answer(channel, accepted=True)
    why = payload.get("error") or payload.get("message") or payload.get("reason") or payload.get("response")
    return Answer(channel, accepted=False, why=_words(why))


def _complaint(frame: Any) -> Complaint | Refusal:
    """Upstream's errors have been seen only as text, never as a shape: look for words anywhere."""
    if isinstance(frame, dict) and ("error" in frame or "message" in frame):
        return Complaint(_words(frame.get("error") or frame.get("message")))
    words = frame if isinstance(frame, list) else [frame]
    for word in words[:8]:
        if isinstance(word, str) and "limit" in word.lower():
            return Complaint(word)
    return Refusal.NOT_A_PAIR


def _words(value: Any) -> str:
    """Return a text as it is and anything else as JSON."""
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # nested deeper than can be written
        return "no words"


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
