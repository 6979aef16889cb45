"""The AsyncAPI 3 document: every subject as a channel, and the native WebSocket protocol. Pure."""

import re
from typing import Any, Final

from pydantic import BaseModel

from baleen_contracts.catalogue import CATALOGUE, Entity, example
from baleen_contracts.close_codes import CLOSE_CODES
from baleen_contracts.command import CommandReply
from baleen_contracts.schemas import wire_schema
from baleen_contracts.stream_protocol import CLIENT_FRAMES, SERVER_FRAMES, SUBPROTOCOL, Frame, transcript

Document = dict[str, Any]

_OURS: Final = {"uw-ingest", "ws-gateway", "alert-bridge"}
_TRACE: Final[Document] = {
    "traceparent": {
        "type": "string",
        "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
        "description": "W3C Trace Context to go on with; absent where nobody traces",
    }
}
_KEYS: Final = {
    "symbol": "Ticker in upper case as one token; `_` for none",
    "strike": "Strike without trailing zeros as one token: `590`, `592%2E5`",
    "expiry": "Expiry, such as 2025-05-16",
    "interval_type": "`all` or `otm_only`",
    "channel": "Upstream channel in lower case as one token",
    "key": "What was joined, such as a ticker, as one token; `_` for none",
    "feed": "Feed in lower case as one token",
    "alert_type": "Alert type in lower case as one token",
    "agent": "Agent in lower case as one token",
    "session_id": "Session id as one token",
    "event": "Kind of event as one token",
    "event_type": "Event type as one token",
    "path": "Dotted path, each segment a token of its own",
    "target": "`session` or `ingest`",
    "name": "Session id as one token, or `reconnect`",
    "destination": "Destination in lower case as one token",
}


def asyncapi() -> Document:
    """The whole document."""
    channels: Document = {}
    operations: Document = {}
    messages: Document = {}
    for entity in CATALOGUE:
        messages[entity.name] = _bus_message(entity)
        channels[entity.name] = _bus_channel(entity, entity.subject)
        operations[entity.name] = _operation("send", entity.name, [entity.name], entity.summary)
        if entity.stream is not None and entity.producer not in _OURS:
            _let_publish(entity, channels, operations)
    messages[CommandReply.entity] = _message(CommandReply)
    _answer_commands(channels, operations)
    _add_stream(channels, operations, messages)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Baleen",
            "version": "1.0.0",
            "description": "What travels on Baleen's bus and over its native WebSocket protocol. "
            "The same topics are told as Server-Sent Events at `/v1/events`: see docs/events.md.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "bus": {"host": "localhost:4222", "protocol": "nats", "description": "The bus, NATS JetStream"},
            "gateway": {"host": "localhost:8000", "protocol": "ws", "description": "ws-gateway"},
        },
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def _let_publish(entity: Entity, channels: Document, operations: Document) -> None:
    name = f"publish_{entity.name}"
    channels[name] = _bus_channel(entity, f"ingress.{entity.subject}")
    told = f"Anyone may publish: the stream stores it and repeats it on {entity.subject}."
    operations[name] = _operation("receive", name, [entity.name], told)


def _bus_channel(entity: Entity, subject: str) -> Document:
    keys = re.findall(r"{(\w+)…?}", subject)
    channel = {
        "address": subject.replace("…", ""),
        "summary": entity.summary,
        "servers": [{"$ref": "#/servers/bus"}],
        "messages": {entity.name: {"$ref": f"#/components/messages/{entity.name}"}},
        "x-pattern": entity.pattern,
        "x-delivery": entity.delivery.value,
        "x-producer": entity.producer,
        "x-consumers": list(entity.consumers),
    }
    if entity.stream is not None:
        channel["x-stream"] = entity.stream
    if keys:
        channel["parameters"] = {key: {"description": _KEYS[key]} for key in keys}
    return channel


def _bus_message(entity: Entity) -> Document:
    message = {**_message(entity.model), "summary": entity.summary}
    message["examples"] = [{"payload": example(entity)}]
    message["headers"] = _headers(entity) if entity.stream else {"type": "object", "properties": _TRACE}
    return message


def _headers(entity: Entity) -> Document:
    text = {"type": "string"}
    return {
        "type": "object",
        "description": "CloudEvents in binary mode; values are percent-encoded",
        "properties": {
            "ce-specversion": {"type": "string", "const": "1.0"},
            "ce-type": {"type": "string", "const": entity.model.type},
            "ce-id": {**text, "description": "Equal to Nats-Msg-Id and unique in the stream"},
            "ce-source": {**text, "description": "Who published; uw-simulator marks made-up data"},
            "ce-time": {**text, "format": "date-time", "description": "When it occurred"},
            **_TRACE,
        },
        "required": ["ce-type", "ce-id", "ce-source"],
    }


def _message(model: type[BaseModel]) -> Document:
    payload = wire_schema(model)
    return {"name": payload["title"], "title": payload["title"], "payload": payload}


def _operation(action: str, channel: str, messages: list[str], summary: str) -> Document:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
    }


def _answer_commands(channels: Document, operations: Document) -> None:
    channels["command_reply"] = {
        "address": None,
        "summary": "The reply subject that a command names.",
        "servers": [{"$ref": "#/servers/bus"}],
        "messages": {"command_reply": {"$ref": "#/components/messages/command_reply"}},
    }
    operations["command"]["reply"] = {
        "channel": {"$ref": "#/channels/command_reply"},
        "messages": [{"$ref": "#/channels/command_reply/messages/command_reply"}],
    }


def _add_stream(channels: Document, operations: Document, messages: Document) -> None:
    said = [_frame_name(frame) for frame in SERVER_FRAMES]
    heard = [_frame_name(frame) for frame in CLIENT_FRAMES]
    for frame in (*SERVER_FRAMES, *CLIENT_FRAMES):
        messages[_frame_name(frame)] = _message(frame)
    channels["stream"] = {
        "address": "/v1/stream",
        "title": "The native protocol",
        "description": _stream_description(),
        "servers": [{"$ref": "#/servers/gateway"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in [*said, *heard]},
    }
    operations["stream_say"] = _operation("send", "stream", said, "What the gateway says.")
    operations["stream_hear"] = _operation("receive", "stream", heard, "What a client may say.")


def _frame_name(frame: type[Frame]) -> str:
    return f"stream_{wire_schema(frame)['properties']['op']['const']}"


def _stream_description() -> str:
    arrows = {"client": "→", "gateway": "←"}
    lines = "\n".join(f"{arrows[speaker]} {frame}" for speaker, frame in transcript())
    codes = "\n".join(
        f"- {code.code} {code.name}: {code.meaning} Come back: {code.comes_back.value}."
        for code in CLOSE_CODES
        if code.spoken == "native protocol"
    )
    return (
        f"Subprotocol `{SUBPROTOCOL}`; one JSON object with `op` per text frame. A topic is a public subject "
        "or a wildcard; a watch-list is several topics. Between two events of a topic there is no "
        "unannounced hole.\n\n"
        f"A conversation (→ client, ← gateway):\n\n```\n{lines}\n```\n\nClose codes:\n\n{codes}\n"
    )
