"""Readiness in words."""

from baleen_runtime.health import Health


def test_a_part_may_be_fine_and_worth_a_word():
    """A note is told of a part that is fine, and is gone with the next report; it keeps nobody from work."""
    health = Health("svc", needs=("bus",))
    health.report("bus", ok=True, note="away; alerts are kept on disk")

    assert health.ready
    assert health.explain() == {"bus": "away; alerts are kept on disk"}
    health.report("bus", ok=False, reason="gone", note="unheard")
    assert not health.ready
    assert health.explain() == {"bus": "gone"}
    health.report("bus", ok=True)
    assert health.explain() == {"bus": "ok"}
