"""What runs, in which order, and who is told what."""

from pathlib import Path

import pytest

from alert_bridge.rules.read import read_rules
from baleen.errors import CannotRun
from baleen.greeting import greeting
from baleen.plan import Place, Plan, Ports, make_plan, needs_simulator, not_started
from baleen.ports import wanted_ports
from baleen.pretence import rules_for_pretence
from baleen_bus.permissions import PASSWORD_VARIABLES
from baleen_contracts.catalogue import by_name

PASSWORDS = {user: f"secret-of-{user}" for user in PASSWORD_VARIABLES}
PLACE = Place(
    store="/store",
    nats_config="/nats.conf",
    sources="/sources.json",
    webhook="http://127.0.0.1/the-webhook",
    rules="/rules.yaml",
)


def planned(settings: dict[str, str], also_listen: tuple[int, ...] = ()) -> Plan:
    """Return the plan for these settings on the usual ports."""
    return make_plan(
        settings,
        ports=Ports(),
        place=PLACE,
        passwords=PASSWORDS,
        also_listen=also_listen,
    )


def environ_of(plan: Plan, name: str) -> dict[str, str]:
    """Return what the child *name* is told."""
    return dict(next(child.environ for child in plan.children if child.name == name))


def test_without_a_token_the_simulator_is_named_as_upstream():
    """Ingest never picks the simulator by itself: the plan says where upstream is and what it is."""
    plan = planned({"PATH": "/bin"})

    assert plan.simulated
    assert [child.name for child in plan.children] == [
        "nats-server",
        "uw-simulator",
        "discord-simulator",
        "ws-gateway",
        "alert-bridge",
        "uw-ingest",
    ]
    told = environ_of(plan, "uw-ingest")
    assert told["UW_INGEST_UPSTREAM_URL"] == "http://127.0.0.1:8010"
    assert told["UW_INGEST_SOURCE"] == "uw-simulator"


@pytest.mark.parametrize("name", ["UW_INGEST_TOKEN", "UW_API_TOKEN", "UW_KEY", "UNUSUAL_WHALES_API_KEY"])
def test_a_token_makes_it_live_and_only_ingest_sees_it(name):
    """With a token there is no simulator, and no other process gets to know the token."""
    plan = planned({name: "the-real-token"})

    assert not plan.simulated
    assert "UW_INGEST_UPSTREAM_URL" not in environ_of(plan, "uw-ingest")
    assert [c.name for c in plan.children if "the-real-token" in c.environ.values()] == ["uw-ingest"]
    assert "uw-simulator" not in [child.name for child in plan.children]


def test_an_upstream_of_ones_own_can_be_said_to_be_simulated():
    """A simulator that runs elsewhere is named as source, and nothing here calls its data live."""
    plan = planned({"UW_INGEST_UPSTREAM_URL": "http://elsewhere:8010", "UW_INGEST_SOURCE": "uw-simulator"})
    assert plan.simulated
    assert "uw-simulator" not in [child.name for child in plan.children]


def test_without_rules_the_simulated_discord_is_told_of_everything():
    """The bridge is handed rules that lead there, and the greeting says where to look."""
    plan = planned({"DISCORD_SIMULATOR_LATENCY": "1"})

    assert environ_of(plan, "alert-bridge")["ALERT_BRIDGE_RULES"] == "/rules.yaml"
    assert environ_of(plan, "discord-simulator")["DISCORD_SIMULATOR_LATENCY"] == "1"
    assert "http://localhost:8020/" in greeting(plan)


def test_with_rules_of_ones_own_nobody_pretends_to_be_discord():
    """They are handed on as they are."""
    plan = planned({"ALERT_BRIDGE_RULES": "/mine.yaml"})

    assert environ_of(plan, "alert-bridge")["ALERT_BRIDGE_RULES"] == "/mine.yaml"
    assert "discord-simulator" not in [child.name for child in plan.children]
    assert "8020" not in greeting(plan)
    assert not_started({"ALERT_BRIDGE_RULES": "/mine.yaml", "UW_API_TOKEN": "t"}) == ("simulator", "discord")
    assert not_started({}) == ()


def test_the_rules_for_the_simulated_discord_are_sound():
    """The bridge reads them, and one webhook of that port is told everything."""
    rules = read_rules(rules_for_pretence(8020), name="rules.yaml", environ={}, read_file=Path.read_text)

    assert [route.to for route in rules.routes] == [frozenset(rules.destinations)]
    (spec,) = rules.destinations.values()
    assert spec.url.get_secret_value().startswith("http://127.0.0.1:8020/api/v10/webhooks/")


def test_an_empty_token_is_no_token():
    """A line `UW_API_TOKEN=` left in `.env` does not turn the simulator off."""
    assert needs_simulator({"UW_API_TOKEN": " "})


def test_each_child_knows_its_own_password_and_no_other():
    """Only the server, which checks them, knows every password of the bus."""
    plan = planned({})
    for child in plan.services:
        known = {user for user, password in PASSWORDS.items() if password in child.environ.values()}
        assert known == {child.name} - {"discord-simulator"}, "a pretended Discord has no use for the bus"
    assert set(PASSWORDS.values()) <= set(plan.server.environ.values())


def test_settings_reach_the_service_whose_prefix_they_carry():
    """A service refuses variables it does not know, so nobody is handed another one's."""
    plan = planned({"WS_GATEWAY_MAX": "7", "BALEEN_LOG_LEVEL": "debug", "BALEEN_STRANGE": "x", "HOME": "/h"})

    assert [c.name for c in plan.children if "WS_GATEWAY_MAX" in c.environ] == ["ws-gateway"]
    assert {c.name for c in plan.services if c.environ.get("BALEEN_LOG_LEVEL") == "debug"} == {
        child.name for child in plan.services
    }
    assert not [child for child in plan.children if "BALEEN_STRANGE" in child.environ]
    assert all(child.environ["HOME"] == "/h" for child in plan.children)


def test_the_gateway_serves_clients_with_fixed_ports():
    """Ports that are free are listened on too, unless the person has chosen otherwise."""
    assert environ_of(planned({}, (5000, 8765)), "ws-gateway")["WS_GATEWAY_ALSO_LISTEN"] == "5000,8765"
    chosen = planned({"WS_GATEWAY_ALSO_LISTEN": "9999"}, (5000,))
    assert environ_of(chosen, "ws-gateway")["WS_GATEWAY_ALSO_LISTEN"] == "9999"


def test_a_port_that_is_no_port_is_refused_with_its_variable():
    """The message names the variable and says what would be right."""
    with pytest.raises(CannotRun, match=r"WS_GATEWAY_PORT is '80x'.*number from 1 to 65535"):
        wanted_ports({"WS_GATEWAY_PORT": "80x"})
    assert wanted_ports({"WS_GATEWAY_PORT": "8100"}).gateway == 8100


def test_the_greeting_says_simulated_and_how_to_go_live():
    """Nobody takes simulated data for real, and the way to real data is beside it."""
    text = greeting(planned({}))
    assert "SIMULATED" in text
    assert "UW_API_TOKEN=" in text
    assert "http://localhost:8000/" in text
    assert by_name("flow_alert").pattern in text


def test_the_greeting_says_what_a_python_program_needs_to_say_alerts():
    """As the user that may speak, and hears nothing."""
    text = greeting(planned({}))
    assert f"BALEEN_NATS_USER=publisher BALEEN_NATS_PASSWORD={PASSWORDS['publisher']}" in text


def test_the_greeting_names_the_further_ports_and_those_that_others_have():
    """Who has a client with a fixed port learns whether it finds the gateway, and what to do if not."""
    assert "also listens" not in greeting(planned({}))
    text = greeting(planned({}, (8765,)), missed=(5000,))
    assert "also listens on 8765." in text
    assert "could not have 5000" in text
    assert "port 8000" in text
    assert "also listens on 7, 9." in greeting(planned({"WS_GATEWAY_ALSO_LISTEN": "7,9"}, (8765,)))


def test_the_greeting_of_live_data_says_live_and_holds_no_token():
    """The upstream token is shown nowhere."""
    text = greeting(planned({"UW_API_TOKEN": "the-real-token"}))
    assert "LIVE" in text
    assert "SIMULATED" not in text
    assert "the-real-token" not in text


def test_live_data_that_does_not_come_stops_nothing_else():
    """A plan without sockets, or a wrong token, must not keep alerts and pages from running."""
    ingest = {child.name: child for child in planned({"UW_API_TOKEN": "t"}).children}["uw-ingest"]
    assert not ingest.required
    assert all(child.required for child in planned({}).children)


def test_operators_are_answered_on_the_one_port_of_the_gateway():
    """What watches and explains asks there; nothing here is reached by strangers."""
    told = environ_of(planned({"WS_GATEWAY_ADMIN_PORT": "9000", "WS_GATEWAY_MAX": "7"}), "ws-gateway")

    assert "WS_GATEWAY_ADMIN_PORT" not in told
    assert told["WS_GATEWAY_MAX"] == "7"
