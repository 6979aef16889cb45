"""The compatibility gate refuses what breaks a reader, and nothing else."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, create_model

from baleen_contracts.__main__ import main
from baleen_contracts.compatibility import Break, judge
from baleen_contracts.fields import Count, Json, Price, known
from baleen_contracts.schemas import schemas, wire_schema

Fields = dict[str, Any]

RELEASED: Fields = {
    "symbol": (str, ...),
    "price": (Price, ...),
    "size": (Count, ...),
    "option_type": (Literal["call", "put"], ...),
    "side": (Annotated[str, known(["ask", "bid"])], ...),
    "volume": (Count | None, None),
    "tags": (tuple[str, ...], ()),
    "data": (Json, Field(default_factory=dict)),
}


def _schema(fields: Fields) -> Fields:
    return wire_schema(create_model("Message", **fields))


def _judged(change: Fields) -> list[Break]:
    fields = {name: field for name, field in {**RELEASED, **change}.items() if field is not None}
    return judge(_schema(RELEASED), _schema(fields))


@pytest.mark.parametrize(
    ("change", "how"),
    [
        pytest.param({"price": None}, Break.FORWARD, id="a required field removed"),
        pytest.param({"volume": None}, Break.FORWARD, id="an optional field removed"),
        pytest.param({"size": None, "quantity": (Count, ...)}, Break.FORWARD, id="a field renamed"),
        pytest.param({"price": (str, ...)}, Break.FORWARD, id="a type changed"),
        pytest.param({"size": (float, ...)}, Break.FORWARD, id="integer widened to number"),
        pytest.param(
            {"price": (Price | None, None)}, Break.FORWARD, id="a required field made absent at will"
        ),
        pytest.param(
            {"option_type": (Literal["call", "put", "both"], ...)}, Break.FORWARD, id="a value added"
        ),
        pytest.param({"option_type": (Literal["call"], ...)}, Break.BACKWARD, id="a value removed"),
        pytest.param({"venue": (str, ...)}, Break.BACKWARD, id="a new required field"),
        pytest.param({"volume": (Count, ...)}, Break.BACKWARD, id="an optional field made required"),
        pytest.param({"volume": (str | None, None)}, Break.FORWARD, id="an optional field's type changed"),
        pytest.param({"tags": (str, "")}, Break.FORWARD, id="a list made one"),
        pytest.param({"tags": (tuple[int, ...], ())}, Break.FORWARD, id="a list's items changed"),
        pytest.param(
            {"size": (Annotated[int, Field(ge=0, le=10)], ...)}, Break.BACKWARD, id="a bound narrowed"
        ),
        pytest.param({"size": (int, ...)}, Break.FORWARD, id="a bound dropped"),
    ],
)
def test_a_breaking_change_is_refused(change: Fields, how: Break):
    """Somebody out there could not read it."""
    assert how in _judged(change)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"venue": (str | None, None)}, id="a new optional field"),
        pytest.param({"legs": (tuple[str, ...], ())}, id="a new list"),
        pytest.param(
            {"side": (Annotated[str, known(["ask", "bid", "mid"], "Told")], ...)}, id="a new known value"
        ),
        pytest.param({"symbol": (Annotated[str, Field(description="A ticker")], ...)}, id="better words"),
    ],
)
def test_a_compatible_change_is_accepted(change: Fields):
    """A gate that refuses everything would be switched off."""
    assert _judged(change) == []


def test_null_where_there_was_none_is_refused():
    """The wire leaves absent fields out; a schema that says null has been made otherwise."""
    schema = _schema(RELEASED)
    nullable = json.loads(json.dumps(schema))
    nullable["properties"]["price"] = {"anyOf": [schema["properties"]["price"], {"type": "null"}]}

    assert Break.FORWARD in judge(schema, nullable)


def test_a_deleted_entity_is_refused():
    """An entity lives as long as its major."""
    assert judge(_schema(RELEASED), None) == [Break.GONE]


def _repository(folder: Path, name: str, schema: Fields) -> Path:
    released = folder / "libs" / "contracts" / "released" / "v1"
    released.mkdir(parents=True)
    (released / f"{name}.schema.json").write_text(json.dumps(schema), encoding="utf-8")
    return folder


def test_the_command_names_entity_break_and_cure(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Who breaks something learns what and what to do instead."""
    released = schemas()["price"]
    released["properties"]["exchange"] = {"type": "string"}
    released["required"].append("exchange")
    root = _repository(tmp_path, "price", released)

    assert main(["--root", str(root), "compat"]) == 1
    said = capsys.readouterr().out
    assert f"price: {Break.FORWARD.value}" in said
    assert "cure:" in said


def test_the_command_accepts_what_has_not_changed(tmp_path: Path):
    """Silence and zero."""
    root = _repository(tmp_path, "price", schemas()["price"])

    assert main(["--root", str(root), "compat"]) == 0


def test_nothing_to_compare_with_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A gate without a baseline would always be green."""
    (tmp_path / "libs" / "contracts").mkdir(parents=True)

    assert main(["--root", str(tmp_path), "compat", "--against", "elsewhere"]) == 1
    assert "--against" in capsys.readouterr().out


def test_a_release_keeps_what_was_promised(tmp_path: Path):
    """The first release writes every schema; one that breaks the last is refused and changes nothing."""
    (tmp_path / "libs" / "contracts").mkdir(parents=True)

    assert main(["--root", str(tmp_path), "release"]) == 0
    kept = tmp_path / "libs" / "contracts" / "released" / "v1" / "price.schema.json"
    assert json.loads(kept.read_text()) == schemas()["price"]

    kept.write_text(kept.read_text().replace('"price": {', '"gone": {'), encoding="utf-8")
    before = kept.read_text()
    assert main(["--root", str(tmp_path), "release"]) == 1
    assert kept.read_text() == before
