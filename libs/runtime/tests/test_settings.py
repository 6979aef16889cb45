"""Settings are read strictly, and every refusal names the variable and the cure."""

from __future__ import annotations

import pytest
from pydantic import AliasChoices, Field, SecretStr

from baleen_runtime.errors import SettingsError
from baleen_runtime.settings import ServiceSettings, load_settings, settings_for


class Example(ServiceSettings):
    """A service with one setting of each kind."""

    model_config = settings_for("EXAMPLE_")

    port: int = Field(default=8000, ge=0, le=65535)
    topics: tuple[str, ...] = ()
    token: SecretStr | None = Field(default=None, validation_alias=AliasChoices("EXAMPLE_TOKEN", "OLD_TOKEN"))


def test_defaults_need_no_environment():
    """A service starts on an empty environment."""
    settings = load_settings(Example, {"PATH": "/bin"})

    assert settings.port == 8000
    assert settings.nats_url == "nats://127.0.0.1:4222"


def test_variables_shared_and_own_are_read():
    """Shared settings carry the shared prefix, a service's own carry its own."""
    settings = load_settings(
        Example, {"BALEEN_NATS_URL": "nats://bus:4222", "EXAMPLE_PORT": "9", "EXAMPLE_TOPICS": "a, b"}
    )

    assert settings.nats_url == "nats://bus:4222"
    assert settings.port == 9
    assert settings.topics == ("a", "b")


def test_an_older_name_is_read_when_the_preferred_one_is_absent():
    """Aliases are tried in order, so the preferred name wins."""
    assert load_settings(Example, {"OLD_TOKEN": "old-secret"}).secrets() == ["old-secret"]
    both = {"OLD_TOKEN": "old-secret", "EXAMPLE_TOKEN": "new-secret"}
    assert load_settings(Example, both).secrets() == ["new-secret"]


def test_an_empty_variable_counts_as_not_set():
    """Compose files pass empty strings for what the user left out."""
    assert load_settings(Example, {"EXAMPLE_PORT": ""}).port == 8000


@pytest.mark.parametrize("name", ["EXAMPLE_PROT", "BALEEN_NATS_URI"], ids=["own", "shared"])
def test_an_unknown_variable_with_our_prefix_refuses_the_start(name: str):
    """A misspelt setting is named together with the one that was meant."""
    with pytest.raises(SettingsError, match=rf"{name} is not a setting: did you mean") as refusal:
        load_settings(Example, {name: "x"})

    assert len(refusal.value.problems) == 1


def test_a_kubernetes_service_link_is_recognised():
    """The error names the pod setting that keeps Kubernetes from injecting such variables."""
    with pytest.raises(SettingsError, match="enableServiceLinks"):
        load_settings(Example, {"EXAMPLE_PORT_80_TCP": "tcp://10.0.0.1:80"})


def test_a_wrong_value_names_its_variable_and_never_shows_it():
    """A value may be a secret, so the message says what is wrong without repeating it."""
    with pytest.raises(SettingsError) as refusal:
        load_settings(Example, {"EXAMPLE_PORT": "hunter2"})

    assert "EXAMPLE_PORT is wrong" in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


def test_a_list_that_is_half_json_names_its_variable():
    """A broken list is a wrong setting, not a crash."""
    with pytest.raises(SettingsError, match="EXAMPLE_TOPICS is wrong"):
        load_settings(Example, {"EXAMPLE_TOPICS": "[x"})
