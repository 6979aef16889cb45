"""The table: what becomes of every captured frame and row. It is printed after the tests."""

from collections.abc import Callable

import orjson
import pytest

from baleen_contracts import Message, entity_of
from uw_ingest.errors import Refused
from uw_ingest.normalize import REST, from_rest, from_socket
from uw_ingest.normalize.market_mover import movers
from uw_ingest.refusals import Refusal
from uw_ingest.upstream.decode import Answer, Data, decode

from datetime import UTC, datetime  # isort: skip
from importlib.resources import files  # isort: skip

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SAMPLES = files("uw_simulator") / "samples"
SOCKET_FILES = sorted(entry.name for entry in (SAMPLES / "ws").iterdir())
REST_FILES = sorted(entry.name for entry in (SAMPLES / "rest").iterdir() if not entry.name.startswith("_"))
MOVERS = {"market-movers", "market-top-net-impact", "screener-stocks"}


def outcome(body: bytes) -> str:
    """What becomes of one frame."""
    said = decode(body)
    if isinstance(said, Answer):
        return f"refused: {Refusal.ACK}"
    if not isinstance(said, Data):
        return f"refused: {said}"
    try:
        return published(from_socket(said.channel, said.payload, NOW))
    except Refused as refused:
        return f"refused: {refused.reason}"


def published(message: Message) -> str:
    """Name the entity, having checked that the message is valid on its subject."""
    again = type(message).model_validate_json(message.to_json())
    assert again.message_id == message.message_id
    entity = entity_of(message.subject)
    assert entity is not None
    assert entity.name == message.entity
    return f"published: {message.entity}"


def rest_outcomes(name: str) -> list[str]:
    """What becomes of each row of a REST answer."""
    body = orjson.loads((SAMPLES / "rest" / name).read_bytes())
    stem = name.partition(".")[0]
    if stem in MOVERS:
        return [said(row) for row in movers(body, NOW)]
    endpoint = {known.replace("/", "-"): known for known in REST}.get(stem, stem)
    return [said(row) for row in from_rest(endpoint, body, NOW)]


def said(row: Message | Refusal) -> str:
    """What became of one row."""
    return published(row) if isinstance(row, Message) else f"refused: {row}"


@pytest.mark.parametrize("name", SOCKET_FILES)
def test_every_captured_frame_is_published_or_refused_with_a_reason(
    name: str, sample_table: Callable[[str, str], None]
):
    """Nothing captured is lost without a word, and no answer to a join is ever published."""
    frames = orjson.loads((SAMPLES / "ws" / name).read_bytes())
    outcomes = [outcome(orjson.dumps(frame)) for frame in frames]
    for found in outcomes:
        sample_table(f"ws/{name}", found)

    assert frames
    if name.startswith("_acks"):
        assert set(outcomes) == {"refused: ack"}
    else:
        assert all(found.startswith("published: ") for found in outcomes)


@pytest.mark.parametrize("name", REST_FILES)
def test_every_captured_row_is_published_or_refused_with_a_reason(
    name: str, sample_table: Callable[[str, str], None]
):
    """Rows of feeds become messages; answers that no feed uses are refused as such."""
    outcomes = rest_outcomes(name)
    for found in outcomes or ["holds no row"]:
        sample_table(f"rest/{name}", found)

    reasons = {f"refused: {reason}" for reason in Refusal}
    assert all(found in reasons or found.startswith("published: ") for found in outcomes)


def test_the_table_itself_would_show_a_refusal():
    """The check sees a frame that nobody can publish."""
    assert outcome(b'["option_trades",{"id":"x"}]') == "refused: missing_field"
    assert outcome(b'["weather",{}]') == "refused: unknown_channel"
    assert outcome(b"garbage") == "refused: not_json"
