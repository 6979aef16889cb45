"""What free data may hold."""

from typing import Any

import pytest
from pydantic import JsonValue, TypeAdapter, ValidationError

from baleen_contracts.alert import Alert
from baleen_contracts.catalogue import by_name, example
from baleen_contracts.fields import MAX_DEPTH, AnyJson


def _lists(depth: int) -> JsonValue:
    value: JsonValue = 1
    for _ in range(depth):
        value = [value]
    return value


def _objects(depth: int) -> JsonValue:
    value: JsonValue = 1
    for _ in range(depth):
        value = {"a": value}
    return value


def _alert(embed: Any) -> Alert:
    return Alert.model_validate({**example(by_name("alert")), "embed": embed, "more_embeds": [embed]})


@pytest.mark.parametrize("nested", [_lists, _objects])
def test_free_data_has_at_most_64_levels(nested: Any):
    """One level more is refused, whichever kind of level it is."""
    free = TypeAdapter(AnyJson)

    assert free.validate_python(nested(MAX_DEPTH)) == nested(MAX_DEPTH)
    with pytest.raises(ValidationError, match="deeper than 64 levels"):
        free.validate_python(nested(MAX_DEPTH + 1))


def test_what_is_valid_can_be_read_back():
    """The deepest embed that an alert takes is read again from its JSON; a deeper one never gets there."""
    alert = _alert(_objects(MAX_DEPTH))

    assert Alert.model_validate_json(alert.to_json()) == alert
    for depth in (MAX_DEPTH + 1, 200, 240, 1_000):
        with pytest.raises(ValidationError):
            _alert(_objects(depth))


@pytest.mark.parametrize("bad", ["\ud800", {"\ud800": 1}, 2**64, -(2**63) - 1, [{"x": ["\udfff"]}]])
def test_what_some_reader_cannot_read_is_refused(bad: Any):
    """Lone surrogates and integers beyond 64 bits, wherever they stand."""
    with pytest.raises(ValidationError):
        TypeAdapter(AnyJson).validate_python(bad)
