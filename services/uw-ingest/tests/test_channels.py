"""What each upstream channel is."""

from baleen_contracts import Delivery, by_name
from uw_ingest.channels import KINDS, POLLED_FEEDS, feed_of, kind_of
from uw_ingest.normalize import SOCKET


def test_typed_channels_are_exactly_those_with_a_normalizer():
    """A channel that promises a contract has code that makes one."""
    assert {name for name, kind in KINDS.items() if kind.typed} == set(SOCKET)


def test_feeds_and_their_delivery_are_the_catalogues():
    """What counts as lossless here is what the catalogue says."""
    for kind in KINDS.values():
        if kind.typed:
            assert kind.every == (by_name(kind.feed).delivery is Delivery.EVERY), kind.name
    for feed in POLLED_FEEDS:
        assert by_name(feed).producer == "uw-ingest"


def test_a_ticker_changes_the_channel_not_the_feed():
    """gex:SPY and gex:TSLA fill one feed; an unknown channel is its own."""
    assert feed_of("gex:SPY") == feed_of("gex") == "gex"
    assert kind_of("weather:NYC").feed == "weather"
    assert not kind_of("weather:NYC").typed
