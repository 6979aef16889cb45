"""How many frames a second each channel brings."""

from uw_ingest.plan.weights import Weights


def test_a_steady_channel_gets_its_rate_after_ten_seconds():
    """Nothing before, then the mean."""
    weights = Weights()
    for second in range(11):
        weights.add({"price": 50, "news": int(second == 3)}, float(second))
        if second < 10:
            assert weights.rates == {}
    assert weights.rates == {"price": 55.0, "news": 0.1}


def test_rates_move_slowly_and_fade():
    """A burst does not make the planner move channels; silence ends in nothing."""
    weights = Weights({"price": 100.0}, {}, 0.0)
    weights.add({"price": 10_000}, 10.0)
    assert weights.rates["price"] == 370.0
    for turn in range(2, 40):
        weights.add({}, 10.0 * turn)
    assert weights.rates == {}
