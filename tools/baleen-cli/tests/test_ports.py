"""A busy port is named, with who wants it and what to do."""

import socket
from dataclasses import astuple, replace

import pytest

from baleen import ports as ports_module
from baleen.errors import PortIsBusy
from baleen.ports import free_ports, is_free, require_free, seed_ports


def test_a_busy_port_says_which_who_and_what_to_do():
    """The message holds the port, the process that wants it, and two ways out."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        with pytest.raises(PortIsBusy) as raised:
            require_free(replace(free_ports(), gateway=port))

    assert raised.value.port == port
    for word in (str(port), "ws-gateway", "WS_GATEWAY_PORT=", "--free-ports", "Stop that program"):
        assert word in str(raised.value)


def test_a_port_does_not_matter_when_nothing_of_ours_listens_there():
    """With live data nothing of ours listens there."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        ports = replace(free_ports(), simulator=held.getsockname()[1])
        require_free(ports, idle=["simulator"])
        with pytest.raises(PortIsBusy, match="uw-simulator"):
            require_free(ports)


def test_free_ports_are_free_and_different():
    """Two listeners never get the same port."""
    ports = astuple(free_ports())
    assert len(set(ports)) == len(ports)
    assert all(is_free(port) for port in ports)


def test_ports_of_fixed_clients_are_taken_when_they_are_free(monkeypatch: pytest.MonkeyPatch):
    """What another program has is named as missed; what our own processes have is no second port."""
    ours = free_ports()
    with socket.create_server(("127.0.0.1", 0)) as held, socket.create_server(("127.0.0.1", 0)) as spare:
        taken, free = held.getsockname()[1], spare.getsockname()[1]
        spare.close()
        monkeypatch.setattr(ports_module, "SEED_PORTS", (taken, free))
        assert seed_ports(ours, {}) == ((free,), (taken,))
        assert seed_ports(replace(ours, gateway=free), {}) == ((), (taken,))
        assert seed_ports(replace(ours, ingest=free), {}) == ((), (taken, free))
        assert seed_ports(ours, {"WS_GATEWAY_ALSO_LISTEN": "9"}) == ((), ())
