"""What the gateway says on the native protocol is what the contracts promise."""

import json
from datetime import UTC, datetime
from typing import get_args

import pytest

from baleen_contracts.command import CommandReply
from baleen_contracts.stream_protocol import SERVER_FRAME, SERVER_FRAMES, transcript
from ws_gateway.errors import Refusal
from ws_gateway.native.dialect import Native
from ws_gateway.native.requests import Subscribe, Unsubscribe, Wrong, read

NOON = datetime(2026, 4, 27, 12, tzinfo=UTC)
WISH = Subscribe(topics=("uw.v1.price.SPY",), snapshot=True, id=1)

FRAMES = {
    "welcome": Native().welcome(NOON, client="c4f0", auth=True, simulated=True),
    "authenticated": Native().authenticated(1, 60_000),
    "token_expiring": Native().token_expiring(60_000),
    "subscribed": Native().subscribed(WISH, ["LATEST.1f3a.7"], recovered=True),
    "unsubscribed": Native().unsubscribed(Unsubscribe(topics=WISH.topics, id="a")),
    "snapshot_end": Native().snapshot_end(WISH, 3),
    "pong": Native().pong(None, NOON),
    "heartbeat": Native().heartbeat(NOON),
    "gap": Native().gap("uw.v1.price.SPY", None, "LATEST.1f3a.9", "overflow"),
    "conflated": Native().conflated("uw.v1.price.SPY", 12),
    "status": Native().status("stale", "disconnected from NATS", NOON),
    "command_ack": Native().command_ack(5, CommandReply(ok=False, code="no_answer", message="nobody")),
    "drain": Native().drain(1200),
    "error": Native().wrong(Wrong(Refusal.BAD_TOPIC, "no such entity", 4)),
}


def test_every_frame_of_the_gateway_is_looked_at():
    """Events aside, which need the bus."""
    documented = {
        literal for frame in SERVER_FRAMES for literal in get_args(frame.model_fields["op"].annotation)
    }
    assert documented == {*FRAMES, "event"}


@pytest.mark.parametrize("op", sorted(FRAMES))
def test_a_frame_of_the_gateway_is_as_documented(op: str):
    """A client generated from the document understands the gateway."""
    assert json.loads(FRAMES[op])["op"] == op
    assert SERVER_FRAME.validate_json(FRAMES[op]).op == op


def test_what_the_transcript_lets_a_client_say_is_understood():
    """The gateway refuses the one request that the document shows refused, in the same words."""
    answers = [
        SERVER_FRAME.validate_json(Native().wrong(request))
        for speaker, frame in transcript()
        if speaker == "client" and isinstance(request := read(frame), Wrong)
    ]

    assert answers == [
        SERVER_FRAME.validate_json(frame) for _, frame in transcript() if '"op":"error"' in frame
    ]
