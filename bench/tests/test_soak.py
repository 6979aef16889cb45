"""The soak's verdict: flat is flat, and what grows or was not under load is found."""

from bench.soak import MIB, RATE, Reading, judge


def readings(
    *, leak: float = 0.0, rate: float = RATE, overflowed: int = 0, settling: float = 0.0
) -> list[Reading]:
    """Twenty minutes at 150 MiB; ``leak`` in bytes a second, ``settling`` in bytes at first."""
    return [
        Reading(
            at=float(second),
            resident=int(150 * MIB + leak * second + settling * min(second, 120) / 120),
            cpu=0.3 * second,
            trades=int(rate * second),
            overflowed=overflowed,
            backlog=0,
        )
        for second in range(1, 1_200)
    ]


def test_what_stays_as_it_is_passes():
    """Memory that fills its caches at first and then stays is flat."""
    assert judge(readings()).passed
    assert judge(readings(settling=60 * MIB)).passed


def test_what_grows_fails():
    """Ten bytes lost a trade are 60 MiB in twenty minutes."""
    verdict = judge(readings(leak=10 * RATE))

    assert not verdict.flat
    assert 40 * MIB < verdict.rise < 60 * MIB


def test_an_idle_or_dropping_run_proves_nothing():
    """Flat memory under no load, or by dropping frames, does not pass."""
    assert not judge(readings(rate=RATE / 2)).passed
    assert not judge(readings(overflowed=1)).passed
