"""Quantiles from steps agree with quantiles from the samples themselves, within one step."""

from bench.latencies import STEP_NS, Latencies
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(max_examples=25)
@given(samples=st.lists(st.integers(min_value=0, max_value=9_000_000_000), min_size=1, max_size=200))
def test_quantiles_are_within_one_step(samples):
    """p50 and p99 are those of the sorted samples, rounded up to the step."""
    latencies = Latencies()
    for sample in samples:
        latencies.add(sample)

    for share in (0.5, 0.99):
        exact = sorted(samples)[max(0, -int(-share * len(samples) // 1) - 1)]
        assert 0 <= round(latencies.quantile_ms(share) * 1e6) - exact <= STEP_NS
    assert latencies.summary()["max_ms"] == max(samples) / 1e6


def test_without_samples_there_is_no_quantile():
    """Nothing is not the same as zero."""
    assert Latencies().quantile_ms(0.99) is None
