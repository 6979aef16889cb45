"""Wrong settings stop the start with the variable's name and the cure."""

import pytest

from baleen_runtime.errors import SettingsError
from baleen_runtime.settings import load_settings
from ws_gateway.settings import Settings


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
