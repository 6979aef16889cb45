"""The example of an environment says what the settings are, and what stands in it is taken; and its check."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from deploy import environment
from deploy.environment import IN_COMPOSE, SERVICES, example, texts
from dotenv import dotenv_values
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from baleen_runtime.settings import ServiceSettings, load_settings, settings_for, variables_of

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / ".env.example").read_text()
COMPOSE = (ROOT / "docker-compose.yml").read_text()
SECRET = re.compile(r"PASSWORD|TOKEN$|_AUTH_KEY$|API_KEY$")


def offered(text: str, folder: Path) -> dict[str, str]:
    """Return what an example would set if every # before a variable were taken away."""
    file = folder / "everything.env"
    file.write_text(re.sub(r"^#(?=[A-Z][A-Z0-9_]+=)", "", text, flags=re.MULTILINE))
    return {name: value or "" for name, value in dotenv_values(file, interpolate=False).items()}


def test_the_files_are_what_the_settings_say():
    """As lint finds; the cure is the command that it names."""
    assert environment.main(["check"]) == 0


@pytest.mark.parametrize("path", [*texts()])
def test_a_file_that_differs_is_refused_and_written_anew(path: str, tmp_path: Path, capsys):
    """A changed line and a missing file are both found, the cure is named, and it cures."""
    assert environment.main(["write"], tmp_path) == 0
    assert environment.main(["check"], tmp_path) == 0
    file = tmp_path / path
    file.write_text(file.read_text() + "#WS_GATEWAY_PROT=1\n")
    assert environment.main(["check"], tmp_path) == 1
    said = capsys.readouterr().err
    assert path in said
    assert "python -m deploy.environment write" in said
    file.unlink()
    assert environment.main(["check"], tmp_path) == 1
    assert environment.main(["write"], tmp_path) == 0
    assert environment.main(["check"], tmp_path) == 0


def test_every_variable_of_every_service_and_of_compose_is_there(tmp_path: Path):
    """Once each, but for other names of one setting; and nothing besides."""
    fields = [names for cls in SERVICES.values() for names in variables_of(cls).values()]
    ours, other_names = [names[0] for names in fields], {name for names in fields for name in names[1:]}
    read = set(re.findall(r"\$\{([A-Z0-9_]+)", COMPOSE)) - other_names
    assert set(offered(EXAMPLE, tmp_path)) == set(ours) | read
    names = re.findall(r"^#([A-Z][A-Z0-9_]+)=", EXAMPLE, re.MULTILINE)
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("service", SERVICES)
def test_what_the_example_offers_is_the_default(service: str, tmp_path: Path):
    """Taking every # away changes nothing, so that a person changes only what they mean to."""
    cls = SERVICES[service]
    known = {name for names in variables_of(cls).values() for name in names}
    given = {name: value for name, value in offered(EXAMPLE, tmp_path).items() if name in known}
    told = load_settings(cls, given).model_dump()
    assert {**told, "replica": ""} == {**load_settings(cls, {}).model_dump(), "replica": ""}


def test_no_variable_is_without_words():
    """Each stands below a sentence about it."""
    lines = EXAMPLE.splitlines()
    mute = [
        line for above, line in pairwise(lines) if re.match(r"#[A-Z_]+=", line) and not above.startswith("# ")
    ]
    assert mute == []


def test_a_copied_example_sets_nothing_and_shows_no_secret(tmp_path: Path):
    """Data stays simulated, and whoever takes a # away must think of a secret of their own."""
    copied = tmp_path / ".env"
    copied.write_text(EXAMPLE)
    assert dotenv_values(copied) == {}
    shown = {
        name: value for name, value in offered(EXAMPLE, tmp_path).items() if SECRET.search(name) and value
    }
    assert shown == {}


class _New(ServiceSettings):
    """A service with a setting that there was not before."""

    model_config: SettingsConfigDict = settings_for("NEW_")
    colour: str = Field("sea blue", description="What it looks like.")


def test_a_new_setting_and_a_new_variable_of_compose_are_noticed():
    """The first changes the example; the second wants words before there is an example at all."""
    assert "# What it looks like.\n#NEW_COLOUR='sea blue'\n" in example({**SERVICES, "new": _New}, COMPOSE)
    with pytest.raises(KeyError, match="NEW_THING"):
        example(SERVICES, COMPOSE + "\nx-new: ${NEW_THING:-1}\n")


@pytest.mark.parametrize("service", IN_COMPOSE)
def test_a_container_is_handed_the_variables_of_its_own_service(service: str):
    """All that are no path of this machine; so none sees the secrets of another."""
    handed = set((ROOT / f"deploy/env/{service}.env").read_text().splitlines()[1:])
    cls = SERVICES[service]
    assert handed == {
        variable
        for name, variables in variables_of(cls).items()
        if "Path" not in str(cls.model_fields[name].annotation)
        for variable in variables
    }
