"""The frames of the native protocol."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from baleen_contracts.catalogue import entity_of
from baleen_contracts.stream_protocol import CLIENT_FRAME, SERVER_FRAME, Event, transcript


def test_the_transcript_is_a_conversation_that_could_happen():
    """What the documents quote is valid, word by word."""
    spoken = set()
    for speaker, frame in transcript():
        adapter = CLIENT_FRAME if speaker == "client" else SERVER_FRAME
        read = adapter.validate_json(frame)
        spoken.add((speaker, read.op))
        if isinstance(read, Event):
            entity = entity_of(read.topic)
            assert entity is not None
            entity.model.model_validate(read.data)

    assert {("gateway", "welcome"), ("client", "subscribe"), ("gateway", "drain")} <= spoken


@pytest.mark.parametrize(
    "frame",
    [
        {},
        [],
        {"op": "shout"},
        {"op": "event"},
        {"op": "subscribe"},
        {"op": "subscribe", "topics": []},
        {"op": "subscribe", "topics": "uw.v1.price.SPY"},
        {"op": "subscribe", "topics": [""]},
        {"op": "subscribe", "topics": ["a"], "snapshot": "maybe"},
        {"op": "subscribe", "topics": ["a"] * 1_001},
        {"op": "ping", "id": {"a": 1}},
        {"op": "ping", "id": "x" * 129},
    ],
)
def test_what_no_client_may_say_is_refused(frame: Any):
    """The models are strict enough to be a check."""
    with pytest.raises(ValidationError):
        CLIENT_FRAME.validate_json(json.dumps(frame))


def test_a_gap_says_from_and_to():
    """``from`` is a word of Python, not of the wire."""
    said = {
        "op": "gap",
        "topic": "uw.v1.price.SPY",
        "from": "TAPE.a.1",
        "to": "TAPE.a.9",
        "reason": "overflow",
    }

    assert SERVER_FRAME.validate_python(said).model_dump(by_alias=True) == said
