"""Every example is valid, comes back whole, and agrees with the published schema."""

import json

import pytest
from jsonschema import Draft202012Validator

from baleen_contracts.catalogue import CATALOGUE, Entity, example
from baleen_contracts.schemas import schemas

SCHEMAS = schemas()


@pytest.mark.parametrize("entity", CATALOGUE, ids=lambda entity: entity.name)
def test_an_example_comes_back_whole(entity: Entity):
    """The example is exactly what would travel."""
    message = entity.model.model_validate(example(entity))

    assert json.loads(message.to_json()) == example(entity)
    assert entity.model.model_validate_json(message.to_json()) == message


@pytest.mark.parametrize("entity", CATALOGUE, ids=lambda entity: entity.name)
def test_an_example_agrees_with_the_schema(entity: Entity):
    """What is documented is what is sent."""
    schema = SCHEMAS[entity.name]
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)

    assert [error.message for error in validator.iter_errors(example(entity))] == []


@pytest.mark.parametrize("entity", CATALOGUE, ids=lambda entity: entity.name)
def test_the_schema_refuses_what_the_model_refuses(entity: Entity):
    """A schema that lets everything pass would agree with every example."""
    schema = SCHEMAS[entity.name]
    validator = Draft202012Validator(schema)
    required = schema["required"]

    assert required
    for field in required:
        assert not validator.is_valid({key: value for key, value in example(entity).items() if key != field})


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_a_schema_is_a_schema_and_whole_in_itself(name: str):
    """No reference leads out, so that one file is enough."""
    Draft202012Validator.check_schema(SCHEMAS[name])

    assert "$ref" not in json.dumps(SCHEMAS[name])
