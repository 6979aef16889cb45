"""What a memory holds and forgets, against the plainest one there is."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from alert_bridge.rules.memory import Memory, Note

MOST = 3
places = st.sampled_from("abcde").map(lambda letter: (letter,))
notes = st.builds(
    Note, places, st.integers(0, 50).map(float), st.tuples(st.just("s"), st.sampled_from("12"), st.just(0.0))
)


class AgainstAList(RuleBasedStateMachine):
    """A memory beside a list of all that it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = Memory(MOST)
        self.all: list[Note] = []

    @rule(note=notes)
    def take(self, note: Note) -> None:
        """One is let through."""
        self.memory.take(note)
        self.all = [*(known for known in self.all if known.place != note.place), note]

    @rule(note=notes)
    def forget(self, note: Note) -> None:
        """One died, whether it is still known or not."""
        self.memory.forget((note,))
        self.all = [known for known in self._known() if known != note]

    @rule(note=notes)
    def change_a_copy(self, note: Note) -> None:
        """What happens to a copy is its own matter."""
        self.memory.copy().take(note)

    @rule(note=notes)
    def ask(self, note: Note) -> None:
        """Since the newest at the place, unless it is the same alert."""
        known = next((one for one in self._known() if one.place == note.place), None)
        expected = None if known is None or known.same == note.same else note.at - known.at

        assert self.memory.seconds_since(note) == expected

    @invariant()
    def is_bounded(self) -> None:
        """However many it was told."""
        assert self.memory.size == len(self._known()) <= MOST

    def _known(self) -> list[Note]:
        return self.all[-MOST:]


AgainstAList.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestMemory = AgainstAList.TestCase
