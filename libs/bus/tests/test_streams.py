"""Stream configurations made from the catalogue."""

import pytest

from baleen_bus.patterns import covers, without_covered
from baleen_bus.streams import KEEPING, StreamSettings, keeping_headers, stream_config, stream_configs
from baleen_contracts.catalogue import CATALOGUE, by_name, streams

CONFIGS = {config["name"]: config for config in stream_configs(StreamSettings(replicas=3, max_bytes=7))}


@pytest.mark.parametrize("entity", [entity for entity in CATALOGUE if entity.stream], ids=lambda e: e.name)
def test_exactly_one_stream_takes_an_entity(entity):
    """The one that the catalogue names, under the entity's ingress subject."""
    subject = "ingress." + entity.pattern.replace("*", "x").replace(">", "x.y")
    takers = [name for name, config in CONFIGS.items() if any(covers(p, subject) for p in config["subjects"])]

    assert takers == [entity.stream]


def test_every_stream_says_how_long_it_keeps():
    """And nothing is kept for a stream that does not exist."""
    assert set(KEEPING) == set(streams())


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_stream_keeps_on_file_and_republishes_its_domain_only(config):
    """Memory would lose watchers for ever; a republish that covers the ingress would be a cycle."""
    public = config["republish"]["src"]

    assert (config["storage"], config["num_replicas"], config["max_bytes"]) == ("file", 3, 7)
    assert config["republish"]["dest"] == public
    assert all(not covers(public, subject) for subject in config["subjects"])
    assert all(covers(public, subject.removeprefix("ingress.")) for subject in config["subjects"])
    assert config["max_age"] == 0 or config["duplicate_window"] <= config["max_age"]


def test_a_stream_of_two_domains_is_refused():
    """It could republish only one of them."""
    with pytest.raises(ValueError, match="one domain"):
        stream_config("TAPE", ["uw.v1.a.*", "feed.v1.b.*"], StreamSettings())


def test_only_streams_of_newest_values_thin_out():
    """A stream that also keeps every message of something may not drop any."""
    assert {name for name, config in CONFIGS.items() if config["max_msgs_per_subject"] == 1} == {
        "LATEST",
        "MARKET",
    }


def test_bridge_messages_carry_how_they_are_kept():
    """State replaces its path's older value; events leave after a week."""
    assert keeping_headers(by_name("bridge_state")) == {"Nats-Rollup": "sub"}
    assert keeping_headers(by_name("bridge_event")) == {"Nats-TTL": "604800s"}
    assert keeping_headers(by_name("signal")) == {}


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        ("a.>", "a.b", True),
        ("a.>", "a", False),
        ("a.*", "a.b", True),
        ("a.*", "a.>", False),
        ("a.*", "a.b.c", False),
        (">", "a.*.c", True),
        ("a.*.c", "a.b.c", True),
        ("a.b.c", "a.*.c", False),
        ("a.b", "a.b", True),
        ("a.b.c", "a.b", False),
    ],
)
def test_a_pattern_covers(wide, narrow, covered):
    """Everything that the other matches, or not."""
    assert covers(wide, narrow) is covered


def test_covered_patterns_are_left_out():
    """In whatever order they come."""
    assert without_covered(["a.b", "a.*", "c.>", "c.d", "a.*"]) == ("a.*", "c.>")
