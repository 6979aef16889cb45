"""The judges of the bursts and drills are themselves judged."""

from tests.alerts.posting import least_seconds, out_of_order, repeats_in


def test_what_is_said_late_is_out_of_order():
    """Only the first time counts, and each source by itself."""
    assert out_of_order(["a-0", "b-5", "a-1", "b-6", "a-0", "a-2"]) == []
    assert out_of_order(["a-0", "a-2", "b-0", "a-1"]) == ["a-1"]


def test_every_time_after_the_first_is_a_repeat():
    """A mark that was said three times was repeated twice."""
    assert repeats_in(["a", "b", "a", "a"]) == 2


def test_the_stricter_limit_says_how_long_it_takes():
    """A window is full at once, and the next begins when it ends."""
    figures = {"webhook_limit": 5, "webhook_window": 2, "channel_limit": 30, "channel_window": 60}

    assert least_seconds(5, figures) == 0
    assert least_seconds(30, figures) == 10
    assert least_seconds(31, figures) == 60
    assert least_seconds(500, figures) == 960
