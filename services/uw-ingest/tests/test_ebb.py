"""After a high backlog, the first low one is noticed, and no other."""

from uw_ingest.pipeline.ebb import HIGH, LOW, Ebb


def test_the_first_low_backlog_after_a_high_one_is_an_ebb():
    """Low alone is none, falling is none yet, and each high one has one ebb."""
    ebb = Ebb()
    backlogs = [0, LOW, HIGH - 1, 0, HIGH, LOW + 1, LOW, 0, HIGH + 1, HIGH, 0]

    assert [ebb.reached(backlog) for backlog in backlogs] == [False] * 6 + [True] + [False] * 3 + [True]
