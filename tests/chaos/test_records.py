"""The judge of clients' records is itself judged: by records that it must reject."""

from tests.chaos.records import wrong_between, wrong_in

KEPT = [3, 5, 8, 9, 12]


def test_the_stream_itself_is_a_right_record() -> None:
    """All of it, once, in order: nothing is wrong."""
    assert wrong_in(KEPT, KEPT) == []
    assert wrong_in([], []) == []


def test_a_hole_is_found() -> None:
    """One message was never heard, in the middle or at either end."""
    assert wrong_in([3, 5, 9, 12], KEPT) == ["1 missing, such as 8"]
    assert wrong_in(KEPT[1:], KEPT) == ["1 missing, such as 3"]
    assert wrong_in(KEPT[:-2], KEPT) == ["2 missing, such as 9"]


def test_a_repeat_is_found() -> None:
    """Heard twice is wrong, next to each other or far apart, and beside a hole both are told."""
    assert wrong_in([3, 5, 5, 8, 9, 12], KEPT) == ["1 heard twice, such as 5"]
    assert wrong_in([3, 5, 8, 12, 3], KEPT) == ["1 missing, such as 9", "1 heard twice, such as 3"]


def test_a_stranger_is_found() -> None:
    """What the stream does not hold of a client's topics was not to be heard."""
    assert wrong_in([3, 4, 5, 8, 9, 12], KEPT) == ["1 not in the stream, such as 4"]


def test_another_order_is_found() -> None:
    """Each once, and two of them the wrong way round."""
    assert wrong_in([3, 8, 5, 9, 12], KEPT) == ["all is there, and in another order"]


def test_a_part_must_be_whole_between_its_ends() -> None:
    """Who cannot resume may begin late and end early, and nothing else."""
    assert wrong_between([], KEPT) == []
    assert wrong_between([5, 8, 9], KEPT) == []
    assert wrong_between([5, 9], KEPT) == ["1 missing, such as 8"]
    assert wrong_between([8, 5], KEPT)
    assert wrong_between([5, 8, 8], KEPT)
    assert wrong_between([4, 5, 8], KEPT)
