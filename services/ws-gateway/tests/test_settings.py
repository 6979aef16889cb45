"""Wrong settings stop the start with the variable's name and the cure."""

import pytest

from baleen_runtime.errors import SettingsError
from baleen_runtime.settings import load_settings
from ws_gateway.settings import Settings

SECRET = "a secret of more than thirty-two bytes"


def test_by_default_only_this_machine_is_served():
    """Nothing set means loopback, port 8000 and the usual local pages."""
    settings = load_settings(Settings, {})

    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert "http://localhost:5173" in settings.origins


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "gateway.example"])  # noqa: S104 - refused below
def test_serving_others_without_authentication_must_be_said_twice(host: str):
    """An address beyond loopback is refused until the operator insists."""
    with pytest.raises(SettingsError, match="WS_GATEWAY_AUTH_NONE_ANYWHERE=true"):
        load_settings(Settings, {"WS_GATEWAY_HOST": host})

    insisted = {"WS_GATEWAY_HOST": host, "WS_GATEWAY_AUTH_NONE_ANYWHERE": "true"}
    assert load_settings(Settings, insisted).host == host


def test_serving_others_with_tokens_need_be_said_once():
    """With a key nothing else is asked; without one the refusal says what to set."""
    given = {"WS_GATEWAY_HOST": "0.0.0.0", "WS_GATEWAY_AUTH": "jwt"}  # noqa: S104 - with tokens

    assert load_settings(Settings, {**given, "WS_GATEWAY_AUTH_KEY": SECRET}).anywhere
    assert load_settings(Settings, {**given, "WS_GATEWAY_AUTH_JWKS": "/etc/keys.json"}).anywhere
    with pytest.raises(SettingsError, match="WS_GATEWAY_AUTH_KEY or WS_GATEWAY_AUTH_JWKS"):
        load_settings(Settings, given)


def test_keys_that_nobody_asks_for_refuse_to_start():
    """Whoever sets a key believes that tokens are checked."""
    with pytest.raises(SettingsError, match="say WS_GATEWAY_AUTH=jwt"):
        load_settings(Settings, {"WS_GATEWAY_AUTH_KEY": SECRET})


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("WS_GATEWAY_AUTH_KEY", "hunter2-is-too-short", "32 bytes"),
        ("WS_GATEWAY_AUTH_JWKS", "http://login.example/keys", "https://"),
        ("WS_GATEWAY_TRUSTED_PROXIES", "10.0.0.0/8,proxy", "proxy"),
        ("WS_GATEWAY_AUTH", "basic", "jwt"),
        ("WS_GATEWAY_HANDSHAKES_PER_SECOND", "-1", "greater than or equal"),
    ],
)
def test_wrong_safety_settings_are_named_and_secrets_are_not_shown(variable: str, value: str, words: str):
    """The message names the variable and what would be right."""
    with pytest.raises(SettingsError, match=variable) as refusal:
        load_settings(Settings, {"WS_GATEWAY_AUTH": "jwt", "WS_GATEWAY_AUTH_JWKS": "k.json", variable: value})

    assert words in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


def test_the_key_is_among_the_secrets_that_no_log_shows():
    """So that it is taken out of every line."""
    settings = load_settings(Settings, {"WS_GATEWAY_AUTH": "jwt", "WS_GATEWAY_AUTH_KEY": SECRET})

    assert SECRET in settings.secrets()
    assert SECRET not in repr(settings)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_every_loopback_address_is_fine(host: str):
    """Loopback has many names."""
    assert load_settings(Settings, {"WS_GATEWAY_HOST": host}).host == host


def test_lists_are_separated_by_commas():
    """Ports and origins are read from one variable each."""
    settings = load_settings(
        Settings, {"WS_GATEWAY_ALSO_LISTEN": "5000, 8765", "WS_GATEWAY_ORIGINS": "https://a.example"}
    )

    assert settings.also_listen == (5000, 8765)
    assert settings.origins == ("https://a.example",)


@pytest.mark.parametrize("ports", ["0", "65536", "-1", "5000,5000", "8000", "5000,x"])
def test_more_ports_are_numbers_of_ports(ports: str):
    """A number that is no port, or one that is ours already, is refused with the variable's name."""
    with pytest.raises(SettingsError, match="WS_GATEWAY_ALSO_LISTEN"):
        load_settings(Settings, {"WS_GATEWAY_ALSO_LISTEN": ports})


def test_hosts_are_names():
    """A name is kept as browsers write it; a URL or a port in it is refused with the cure."""
    settings = load_settings(Settings, {"WS_GATEWAY_HOSTS": "Gateway.Example., b.example"})

    assert settings.hosts == ("gateway.example", "b.example")
    with pytest.raises(SettingsError, match=r"WS_GATEWAY_HOSTS.*without scheme and port"):
        load_settings(Settings, {"WS_GATEWAY_HOSTS": "http://gateway.example"})


def test_a_misspelt_setting_refuses_to_start():
    """A variable with our prefix that is not known is named."""
    with pytest.raises(SettingsError, match="WS_GATEWAY_PROT"):
        load_settings(Settings, {"WS_GATEWAY_PROT": "8000"})
