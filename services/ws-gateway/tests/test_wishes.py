"""A client hears what any of its wishes wants, once, and a filter is asked once per message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ws_gateway.event import Event
from ws_gateway.hub.hub import Hub
from ws_gateway.hub.pens import Pen
from ws_gateway.hub.wishes import Verdicts, Wish, plain
from ws_gateway.topics import matches

SUBJECTS = ["p.A", "p.B", "q.A"]


@dataclass(frozen=True)
class AtLeast:
    """Wants messages whose `n` is not below a number, and notes what it was asked."""

    least: int
    asked: list[int] = field(default_factory=list, compare=False)

    @property
    def text(self) -> str:
        """The condition."""
        return f"n >= {self.least}"

    def matches(self, data: Mapping[str, Any]) -> bool:
        """Compare."""
        self.asked.append(data["n"])
        return bool(data["n"] >= self.least)


FILTERS = [None, AtLeast(1), AtLeast(2)]
WISHES = st.frozensets(
    st.builds(Wish, st.sampled_from(["p.A", "p.*", ">", "q.A"]), st.sampled_from(FILTERS)), min_size=1
)


class Listener:
    """A client of the lanes: what is written to it is what it heard."""

    def __init__(self) -> None:
        self.pen: Pen | None = None
        self.lagging = False
        self.pack = None
        self.heard: list[bytes] = []
        self.write = self.heard.append


class Bodies:
    """A dialect whose frames are the bodies."""

    name, seed = "bodies", False

    def encode(self, event: Event) -> bytes:
        """Say the body, if it is one."""
        if not isinstance(event.data, dict):
            raise TypeError
        return event.body


def message(subject: str, body: bytes) -> Event:
    """A message of no particular stream."""
    return Event(subject, "signal", "SIGNALS", 1, "SIGNALS.e.1", None, body)


@given(st.lists(WISHES, min_size=1, max_size=4), st.sampled_from(SUBJECTS), st.integers(0, 2))
async def test_who_hears_a_message(wishes: list[frozenset[Wish]], subject: str, n: int):
    """A message comes once to those of whom one wish means its subject and, if it says so, its body."""
    hub: Any = Hub()
    listeners = [Listener() for _ in wishes]
    for listener, wanted in zip(listeners, wishes, strict=True):
        hub.lanes.join(listener, Bodies(), wanted)
    hub.publish(message(subject, b'{"n":%d}' % n))
    hub.sweep.flush_all()
    hub.sweep.close()

    for listener, wanted in zip(listeners, wishes, strict=True):
        due = any(
            matches(wish.topic, subject) and (wish.filter is None or wish.filter.matches({"n": n}))
            for wish in wanted
        )
        assert len(listener.heard) == due


async def test_a_filter_is_asked_once_per_message_and_only_where_it_counts():
    """Neither many clients nor several topics nor a wish without a filter beside it make it work more."""
    hub: Any = Hub()
    shared = AtLeast(1)
    for extra in range(100):
        wishes = frozenset({Wish("p.*", shared), Wish("p.A", shared), Wish(f"q.{extra}")})
        hub.lanes.join(Listener(), Bodies(), wishes)
    spared = AtLeast(2)
    hub.lanes.join(Listener(), Bodies(), frozenset({Wish("p.*", spared), Wish("p.A")}))
    hub.publish(message("p.A", b'{"n":1}'))
    hub.sweep.close()

    assert (shared.asked, spared.asked) == ([1], [])


async def test_a_body_that_cannot_be_judged_is_counted_and_meets_no_filter():
    """A body that is no object reaches nobody through a filter, and somebody can see that it was dropped."""
    hub: Any = Hub()
    listener = Listener()
    hub.lanes.join(listener, Bodies(), frozenset({Wish("p.A", AtLeast(0))}))
    for body in (b"[]", b"{"):
        hub.publish(message("p.A", body))
    hub.sweep.flush_all()
    hub.sweep.close()

    assert listener.heard == []
    assert sum(hub.dropped.values()) == 2


def test_verdicts_of_an_unreadable_body_are_no():
    """Nothing raises where there is nothing to judge."""
    verdicts = Verdicts(message("p.A", b"{"))
    assert not verdicts.possible
    assert not verdicts.any_of([AtLeast(0)])


def test_plain_wishes_have_no_filter():
    """Topics alone are wishes for everything of them, each once."""
    assert plain(["p.A", "p.A"]) == {Wish("p.A", None)}
