"""What the socket's keeper says of upstream's words."""

import io
import json

import pytest

from baleen_runtime.clock import SystemClock
from baleen_runtime.logs import configure_logs
from baleen_runtime.redact import Redactor
from uw_ingest.slots.feed import Feed, FeedSettings
from uw_ingest.upstream.decode import Answer, Complaint, decode
from uw_ingest.upstream.protocol import FeedProtocol

TOKEN = "SECRETTOKEN0123456789abcdef"


@pytest.mark.parametrize("tokens", [1, 20])
def test_no_cut_leaves_a_part_of_the_token(tokens: int):
    """Wherever in a long answer the token stands, no piece of it is quoted."""
    stream = io.StringIO()
    configure_logs("debug", "json", stream=stream)
    feed = Feed(
        FeedSettings("ws://127.0.0.1:9"),
        FeedProtocol(["news"]),
        clock=SystemClock(),
        lively=bool,
        on_text=lambda _body: None,
        on_refused=lambda _reason: None,
        redact=Redactor([TOKEN]).text,
    )
    for before in range(150, 230):
        words = "x" * before + TOKEN * tokens
        answer = decode(json.dumps(["news", {"status": "error", "error": words}]).encode())
        complaint = decode(json.dumps({"error": words}).encode())
        assert isinstance(answer, Answer)
        assert isinstance(complaint, Complaint)
        feed.answered(answer)
        feed.complained(complaint)
        assert TOKEN[:4] not in feed.protocol.report()["news"].why

    assert "upstream complained" in stream.getvalue()
    assert TOKEN[:4] not in stream.getvalue()
