"""When the exchange is open."""

from datetime import UTC, datetime, timedelta

import pytest

from uw_ingest.feeds.market_hours import MarketHours, Phase, exchange_sessions

pytestmark = pytest.mark.filterwarnings("ignore:Series.values")  # pandas, about its own future
AROUND = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def hours() -> MarketHours:
    """The real calendar around Thanksgiving 2026."""
    return MarketHours(exchange_sessions(AROUND, days=30))


@pytest.mark.parametrize(
    ("moment", "phase"),
    [
        ("2026-11-20T08:59:59", Phase.CLOSED),  # Friday, 03:59:59 New York
        ("2026-11-20T09:00:00", Phase.EXTENDED),
        ("2026-11-20T14:29:59", Phase.EXTENDED),
        ("2026-11-20T14:30:00", Phase.REGULAR),
        ("2026-11-20T20:59:59", Phase.REGULAR),
        ("2026-11-20T21:00:00", Phase.EXTENDED),
        ("2026-11-21T00:59:59", Phase.EXTENDED),
        ("2026-11-21T01:00:00", Phase.CLOSED),
        ("2026-11-21T16:00:00", Phase.CLOSED),  # Saturday
        ("2026-11-26T16:00:00", Phase.CLOSED),  # Thanksgiving
        ("2026-11-27T17:59:59", Phase.REGULAR),  # the short Friday closes at 13:00
        ("2026-11-27T18:00:00", Phase.EXTENDED),
        ("2027-02-01T16:00:00", Phase.UNKNOWN),  # beyond what was loaded
    ],
)
def test_the_phase_follows_the_exchange_calendar(hours: MarketHours, moment: str, phase: Phase):
    """Regular from 09:30 to the close, extended from 04:00 until four hours after it."""
    assert hours.phase(datetime.fromisoformat(moment).replace(tzinfo=UTC)) is phase


def test_without_a_calendar_nothing_is_known():
    """Until the calendar is loaded, no silence is held against anybody."""
    assert MarketHours().phase(AROUND) is Phase.UNKNOWN


def test_a_simulated_market_is_always_open():
    """For the simulator, whose market never closes."""
    assert MarketHours(always_open=True).phase(AROUND + timedelta(days=9999)) is Phase.REGULAR
