"""The catalogue: one place that says what travels where."""

import re

import pytest

from baleen_contracts.catalogue import CATALOGUE, Delivery, Entity, by_name, entity_of, example, streams
from baleen_contracts.message import Message

MESSAGES = [entity for entity in CATALOGUE if issubclass(entity.model, Message)]


def _matches(pattern: str, subject: str) -> bool:
    parts = [{"*": r"[^.]+", ">": r".+"}.get(part, re.escape(part)) for part in pattern.split(".")]
    return re.fullmatch(r"\.".join(parts), subject) is not None


def _subject(entity: Entity) -> str:
    message = entity.model.model_validate(example(entity))
    assert isinstance(message, Message)
    return message.subject


@pytest.mark.parametrize("entity", CATALOGUE, ids=lambda entity: entity.name)
def test_an_entity_says_what_a_reader_must_know(entity: Entity):
    """A sentence, a producer, consumers, a delivery; the model agrees about the name."""
    assert entity.summary.endswith(".")
    assert entity.producer
    assert entity.consumers
    assert entity.model.entity == entity.name
    assert by_name(entity.name) is entity


@pytest.mark.parametrize("entity", MESSAGES, ids=lambda entity: entity.name)
def test_exactly_one_stream_binds_each_subject(entity: Entity):
    """A subject of no stream would be lost, a subject of two stored twice."""
    binding = [
        stream
        for stream, patterns in streams().items()
        if any(_matches(pattern, _subject(entity)) for pattern in patterns)
    ]

    assert binding == [entity.stream]


def test_no_two_entities_share_a_subject():
    """A wildcard of one entity never covers another's subjects, so permissions and streams are exact."""
    for entity in MESSAGES:
        assert [other.name for other in CATALOGUE if _matches(other.pattern, _subject(entity))] == [
            entity.name
        ]


def test_only_commands_are_stored_nowhere():
    """Everything else has a stream."""
    assert [entity.name for entity in CATALOGUE if entity.stream is None] == ["command"]
    assert [entity.name for entity in CATALOGUE if entity.delivery is Delivery.REQUEST] == ["command"]


@pytest.mark.parametrize("entity", MESSAGES, ids=lambda entity: entity.name)
def test_a_subject_leads_back_to_its_entity(entity: Entity):
    """A reader knows from the subject what it holds."""
    assert entity_of(_subject(entity)) is entity


def test_every_subject_has_a_major_and_something_after_it():
    """One wildcard is a binding, an export and a permission; a stream's repeat never covers itself."""
    for entity in CATALOGUE:
        assert re.fullmatch(r"[a-z]+\.v[0-9]+\.\S+", entity.pattern)


NOBODYS = """
    . uw uw.v1 uw.v1.option_trade uw.v1.option_trade.A.B uw.v2.option_trade.A uw.v1.nothing.A uw.v1.news.A
    signal.v1 signal.v1.A.B ingress.uw.v1.price.A uw.v1.price. bridge.v1.state
"""


@pytest.mark.parametrize("subject", ["", *NOBODYS.split()])
def test_a_subject_of_nothing_has_no_entity(subject: str):
    """What is not in the catalogue is nobody's."""
    assert entity_of(subject) is None


def test_an_unknown_name_is_an_error():
    """A typo in a name is found where it stands."""
    with pytest.raises(KeyError):
        by_name("option_trades")


def test_state_is_followed_by_branch():
    """The segments of a path are tokens, so that a wildcard follows a branch and odd names break nothing."""
    state = by_name("bridge_state").model
    body = example(by_name("bridge_state"))
    deep = state.model_validate({**body, "path": "trading.positions.a b.status"})
    shallow = state.model_validate({**body, "path": "_version"})

    assert isinstance(deep, Message)
    assert isinstance(shallow, Message)
    assert deep.subject == "bridge.v1.state.trading.positions.a%20b.status"
    assert shallow.subject == "bridge.v1.state._version"
    assert entity_of(deep.subject) is entity_of(shallow.subject) is by_name("bridge_state")
