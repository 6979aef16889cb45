"""What uw-ingest can be told."""

import pytest

from baleen_runtime.errors import SettingsError
from baleen_runtime.settings import load_settings
from uw_ingest.settings import DEFAULT_CHANNELS, UPSTREAM, Settings


def test_nothing_set_means_no_upstream():
    """The simulator is never chosen by itself."""
    settings = load_settings(Settings, {})

    assert settings.upstream is None
    assert settings.channels == DEFAULT_CHANNELS
    assert not settings.simulated


@pytest.mark.parametrize("name", ["UW_INGEST_TOKEN", "UW_API_TOKEN", "UW_KEY", "UNUSUAL_WHALES_API_KEY"])
def test_a_token_under_any_known_name_leads_to_upstream(name: str):
    """Existing set-ups have the token under one of four names."""
    settings = load_settings(Settings, {name: "secret-token"})

    assert settings.upstream == UPSTREAM
    assert "secret-token" not in repr(settings)


def test_an_address_without_a_token_leads_nowhere():
    """A socket without a token would only be refused."""
    assert load_settings(Settings, {"UW_INGEST_UPSTREAM_URL": "http://127.0.0.1:8010"}).upstream is None


@pytest.mark.parametrize(
    ("variable", "value", "cure"),
    [
        ("UW_INGEST_UPSTREAM_URL", "ws://127.0.0.1:8010", "http://host:port"),
        ("UW_INGEST_UPSTREAM_URL", "http://host?token=secret-token", "without user, token or query"),
        ("UW_INGEST_CHANNELS", "flow alerts", "flow-alerts"),
        ("UW_INGEST_CHANNELS", ",".join(f"price:T{n}" for n in range(136)), "too many for 3 sockets of 45"),
        ("UW_INGEST_SOURCE", "Mine!", "UW_INGEST_SOURCE"),
        ("UW_INGEST_CALENDAR", "lunar", "exchange"),
        ("UW_INGEST_CHANELS", "news", "UW_INGEST_CHANNELS"),
        ("UW_INGEST_MOVERS_EVERY", "0", "UW_INGEST_MOVERS_EVERY"),
    ],
)
def test_a_wrong_setting_is_refused_by_name_and_with_a_cure(variable: str, value: str, cure: str):
    """The message names the variable and says what would be right, without quoting a secret."""
    with pytest.raises(SettingsError) as refused:
        load_settings(Settings, {variable: value})

    assert variable in str(refused.value)
    assert cure in str(refused.value)
    assert "secret-token" not in str(refused.value)


def test_channels_are_a_comma_list_without_repeats():
    """A channel joined twice would only be told twice."""
    settings = load_settings(Settings, {"UW_INGEST_CHANNELS": "news, gex:SPY,news,price:BRK.B"})

    assert settings.channels == ("news", "gex:SPY", "price:BRK.B")
