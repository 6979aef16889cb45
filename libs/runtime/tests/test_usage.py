"""`--help` names every setting, its default and its meaning, and gives no secret away."""

import subprocess
import sys

import pytest
from pydantic import Field, SecretStr

from baleen_runtime.settings import ServiceSettings, settings_for
from baleen_runtime.usage import told_variables, usage


class Settings(ServiceSettings):
    """Of a service that does not exist."""

    model_config = settings_for("NOBODY_")

    origins: tuple[str, ...] = Field(default=("http://a", "http://b"), description="Who may ask.")
    every: float = Field(default=2.0, description="Seconds.")
    strict: bool = Field(default=True, description="Whether.")
    agent: str = Field(default="a b", description="How it is called.")
    password: SecretStr = Field(default=SecretStr("hidden-7"), description="Of the bus.")


def test_every_variable_is_told_with_default_and_meaning():
    """As a shell would spell it."""
    text = told_variables(Settings)
    assert "  NOBODY_ORIGINS=http://a,http://b\n      Who may ask." in text
    assert "  NOBODY_EVERY=2\n      Seconds." in text
    assert "  NOBODY_STRICT=true\n" in text
    assert "  NOBODY_AGENT='a b'\n" in text
    assert "  BALEEN_NATS_URL=nats://127.0.0.1:4222\n      Where NATS listens" in text
    assert "OTEL_EXPORTER_OTLP_TRACES_HEADERS=\n" in text


def test_a_secret_is_not_told():
    """Not even a default."""
    assert "  NOBODY_PASSWORD=\n" in usage("nobody", Settings)
    assert "hidden-7" not in usage("nobody", Settings)


@pytest.mark.parametrize("module", ["uw_ingest", "ws_gateway", "alert_bridge"])
def test_a_service_helps_and_refuses_what_it_does_not_take(module):
    """Help ends with 0, anything else with 2 and a word about help; none starts."""
    helped, refused = (
        subprocess.run([sys.executable, "-m", module, word], capture_output=True, text=True, check=False)
        for word in ("--help", "--prot=1")
    )
    assert helped.returncode == 0
    assert "  BALEEN_NATS_URL=nats://127.0.0.1:4222\n" in helped.stdout
    assert refused.returncode == 2
    assert "--help" in refused.stderr or "usage" in refused.stderr
