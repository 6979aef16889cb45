"""Headers out, headers in, acks. No loop, no server."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baleen_bus import DropReason, PublishRefused
from baleen_bus.acks import Refusal, Stored, judge, plain_ack
from baleen_bus.envelope import Envelopes, Headers, header_text, header_value, origin_of
from baleen_contracts.command import CommandRequest
from baleen_contracts.signals import Signal

REPUBLISHED = (
    b"NATS/1.0\r\nNats-Msg-Id: a\r\n"
    b"Nats-Stream: SIGNAL\r\nNats-Subject: signal.v1.SPY\r\nNats-Sequence: 12\r\n"
    b"Nats-Time-Stamp: 2026-01-05T15:30:00Z\r\nNats-Last-Sequence: 11\r\n\r\n"
)
FETCHED = REPUBLISHED.replace(b"Nats-Last", b"Nats-Num-Pending: 3\r\nNats-Last")


def test_a_command_holds_the_identity_in_headers_and_the_body_bare(signal):
    """Lengths counted in bytes."""
    message = signal(1)
    subject, command, _ = Envelopes("here").frame(message, "reply.1")
    line, _, rest = command.partition(b"\r\n")
    verb, to, reply, head, total = line.split()

    assert (subject, verb, to, reply) == (
        "ingress.signal.v1.QQQ",
        b"HPUB",
        b"ingress.signal.v1.QQQ",
        b"reply.1",
    )
    assert rest[int(head) : int(total)] == message.to_json()
    assert rest[int(total) :] == b"\r\n"
    assert dict(Headers(rest[: int(head)])) == {
        "Nats-Msg-Id": "signal:s1",
        "ce-specversion": "1.0",
        "ce-type": "signal.v1.signal",
        "ce-source": "here",
        "ce-id": "signal:s1",
        "ce-time": "2026-01-05T15:30:00Z",
    }


def test_a_trace_goes_along_as_the_last_header(signal):
    """Beside the identity, and counted in the lengths; a text that is none can add no line."""
    traceparent = f"00-{1:032x}-{2:016x}-01"
    _, plain, _ = Envelopes("here").frame(signal(1), "r")
    for given_, kept in ((traceparent, traceparent), ("x\r\nce-id: y", "x%0D%0Ace-id:%20y")):
        _, command, _ = Envelopes("here").frame(signal(1), "r", given_)
        line, _, rest = command.partition(b"\r\n")
        head, total = int(line.split()[3]), int(line.split()[4])
        assert dict(Headers(rest[:head])) == {
            **Headers(plain.partition(b"\r\n")[2].partition(b"{")[0]),
            "traceparent": kept,
        }
        assert rest[head:total] == signal(1).to_json()


def test_what_no_stream_keeps_is_refused():
    """A command is asked, not stored."""
    with pytest.raises(PublishRefused, match="no stream keeps"):
        Envelopes("here").frame(CommandRequest.model_construct(), "reply.1")


def nested(depth: int) -> list[Any]:
    """Lists within lists."""
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


class Unspeakable(Signal):
    """A signal whose subject cannot be told."""

    @property
    def subject(self) -> str:
        """Fails."""
        raise RuntimeError("no subject")


@pytest.mark.parametrize("change", [{"signal": {"deep": nested(300)}}, {"id": object()}], ids=["body", "id"])
def test_what_cannot_be_written_is_refused_and_nothing_else_is_raised(signal, change):
    """Deeper JSON than the serializer walks, a field that is no text: the caller need know one error only."""
    with pytest.raises(PublishRefused, match="malformed"):
        Envelopes("here").frame(signal(1).model_copy(update=change), "reply.1")


def test_what_has_no_subject_is_refused(signal):
    """Whatever kept it from having one."""
    with pytest.raises(PublishRefused, match="malformed: RuntimeError"):
        Envelopes("here").frame(Unspeakable(**signal(1).model_dump()), "reply.1")


@given(st.text())
def test_a_header_value_comes_back_and_is_plain_ascii(text):
    """Whatever stood in it."""
    value = header_value(text)

    assert value.isascii()
    assert not set(value) & set(' "\r\n')
    assert header_text(value) == text


@pytest.mark.parametrize("headers", [REPUBLISHED, FETCHED])
def test_a_stream_says_where_it_keeps_a_message(headers):
    """Republished and fetched messages say it in the same words."""
    assert origin_of(headers) == (b"SIGNAL", b"signal.v1.SPY", 12, 11)


@pytest.mark.parametrize(
    "headers", [b"NATS/1.0\r\nce-id: a\r\n\r\n", b"NATS/1.0\r\nNats-Stream: X\r\n\r\n", b""]
)
def test_no_origin_without_the_streams_own_headers(headers):
    """That is what a forgery looks like."""
    assert origin_of(headers) is None


def test_of_equal_headers_the_last_counts():
    """The server appends; what stands before is the publisher's."""
    forged = REPUBLISHED.replace(b"Nats-Msg-Id: a", b"Nats-Stream: TAPE\r\nNats-Sequence: 99")

    assert origin_of(forged) == (b"SIGNAL", b"signal.v1.SPY", 12, 11)
    assert Headers(forged)["Nats-Stream"] == "SIGNAL"


@pytest.mark.parametrize(
    ("body", "headers", "meaning"),
    [
        (b'{"stream":"A","seq":3}', None, Stored("A", 3, duplicate=False)),
        (b'{"stream":"A","seq":3,"duplicate":true}', None, Stored("A", 3, duplicate=True)),
        (b"", b"NATS/1.0 503\r\n\r\n", Refusal(None, "status 503")),
        (b"", None, Refusal(None, "status ")),
        (b"garbage", None, Refusal(None, "unreadable ack")),
        (
            b'{"error":{"code":503,"err_code":10008,"description":"no leader"}}',
            None,
            Refusal(None, "503 no leader (10008)"),
        ),
        (
            b'{"error":{"code":409,"err_code":10158,"description":"duplicate message id is in process"}}',
            None,
            Refusal(None, "409 duplicate message id is in process (10158)"),
        ),
        (
            b'{"error":{"code":400,"err_code":10054,"description":"big"}}',
            None,
            Refusal(DropReason.TOO_BIG, "400 big (10054)"),
        ),
        (
            b'{"error":{"code":400,"err_code":10165,"description":"x"}}',
            None,
            Refusal(DropReason.REJECTED, "400 x (10165)"),
        ),
    ],
)
def test_an_ack_means(body, headers, meaning):
    """Stored, to be sent again, or never to be stored; only the plainest is read from the chunk at once."""
    assert judge(body, headers) == meaning

    head = headers or b""
    sizes = b"%d %d" % (len(head), len(head) + len(body)) if head else b"%d" % len(body)
    chunk = b"%bMSG _INBOX.a.7 1 %b\r\n%b%b\r\n" % (b"H" * bool(head), sizes, head, body)
    found = plain_ack("_INBOX.a.")(chunk, 0)
    assert (found is not None) == (meaning == Stored("A", 3, duplicate=False))


@pytest.mark.parametrize("inbox", ["_INBOX.b.", "_INBOXxa.", "_INBOX.a.1."])
def test_an_ack_for_another_inbox_is_not_read(inbox):
    """Nor one whose subject only looks alike."""
    chunk = b'MSG _INBOX.a.7 1 22\r\n{"stream":"A","seq":3}\r\n'

    assert plain_ack("_INBOX.a.")(chunk, 0)
    assert plain_ack(inbox)(chunk, 0) is None


@given(
    st.lists(st.tuples(st.sampled_from(["a", "A", "ab", "b"]), st.text("xy:a \t", max_size=6)), max_size=6)
)
def test_one_header_is_found_as_among_all(lines: list[tuple[str, str]]):
    """The last of equal names counts, and none is found inside another's value or name."""
    raw = "NATS/1.0 100 a: status\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines) + "\r\n"
    whole = dict(Headers(raw.encode()))

    for name in ("a", "A", "ab", "b", "missing"):
        assert Headers(raw.encode()).get(name) == whole.get(name)
