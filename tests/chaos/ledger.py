"""Was each message stored exactly once, or covered by an announced gap? Pure.

Three books are compared: what upstream said, what the streams hold, and which gaps were announced. Upstream
says a message at one moment and a service hears it a little later, so the two ends of a gap may be off by the
way between them: ``SLACK``.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

SLACK = 0.25  # seconds
BACKFILLED = "backfilled"


@dataclass(frozen=True, slots=True)
class Said:
    """A message as upstream said it, ``at`` in epoch seconds, ``to`` the sockets with these numbers."""

    at: float
    feed: str
    message_id: str
    to: str = "-"


@dataclass(frozen=True, slots=True)
class Announced:
    """A gap as it was announced; both ends in epoch seconds."""

    feed: str
    started_at: float
    ended_at: float
    reason: str

    def covers(self, said: Said, slack: float) -> bool:
        """Tell whether a message may be missing because of this gap."""
        return self.feed == said.feed and self.started_at - slack <= said.at <= self.ended_at + slack


@dataclass(frozen=True, slots=True)
class Audit:
    """What came of the comparison."""

    said: int
    stored: int
    doubled: tuple[str, ...] = ()
    lost: tuple[Said, ...] = ()
    """Missing, and no gap says so."""
    covered: tuple[Said, ...] = ()
    """Missing, as a gap says."""
    false_alarms: tuple[Announced, ...] = ()
    """Gaps in which nothing is missing."""
    unheard_of: int = 0
    """Stored, and never said."""
    gaps: tuple[Announced, ...] = field(default=(), repr=False)

    @property
    def whole(self) -> bool:
        """Whether each message is there once or inside a gap."""
        return not self.doubled and not self.lost

    def summary(self) -> str:
        """Say it in one paragraph, with the first few of what is wrong."""
        figures = {
            "said": self.said,
            "stored": self.stored,
            "doubled": len(self.doubled),
            "lost": len(self.lost),
            "missing inside gaps": len(self.covered),
            "gaps": len(self.gaps),
            "of them false alarms": len(self.false_alarms),
            "unheard of": self.unheard_of,
        }
        lines = [", ".join(f"{name} {figure}" for name, figure in figures.items())]
        lines += [f"  doubled {message_id}" for message_id in self.doubled[:10]]
        lines += [f"  lost {said.at:.3f} {said.message_id} said to {said.to}" for said in self.lost[:20]]
        by_feed = Counter(said.feed for said in self.lost)
        lines += [f"  lost of {feed}: {count}" for feed, count in by_feed.items()]
        return "\n".join(lines)


def audit(
    said: Iterable[Said],
    stored: Iterable[str],
    gaps: Iterable[Announced],
    *,
    slack: float = SLACK,
) -> Audit:
    """Compare the three books.

    Args:
        said: what upstream said; the same message may stand in it more than once.
        stored: the ids that the streams hold, one per stored message.
        gaps: what was announced. One that was backfilled counts no more: nothing may be missing there.
        slack: seconds by which a message may lie outside the gap it is missing in.
    """
    first = dict[str, Said]()
    for each in said:
        first.setdefault(each.message_id, each)
    counts = Counter(stored)
    standing = _standing(gaps)
    missing = [each for message_id, each in first.items() if message_id not in counts]
    covered, lost, useful = list[Said](), list[Said](), set[Announced]()
    for each in missing:
        around = [gap for gap in standing if gap.covers(each, slack)]
        (covered if around else lost).append(each)
        useful.update(around)
    return Audit(
        said=len(first),
        stored=len(counts),
        doubled=tuple(message_id for message_id, times in counts.items() if times > 1),
        lost=tuple(sorted(lost, key=lambda each: each.at)),
        covered=tuple(covered),
        false_alarms=tuple(gap for gap in standing if gap not in useful),
        unheard_of=sum(message_id not in first for message_id in counts),
        gaps=standing,
    )


def _standing(gaps: Iterable[Announced]) -> tuple[Announced, ...]:
    """Return the gaps that were not taken back; a gap is taken back by one with the same feed and ends."""
    known = list(dict.fromkeys(gaps))
    filled = {(gap.feed, gap.started_at, gap.ended_at) for gap in known if gap.reason == BACKFILLED}
    return tuple(gap for gap in known if (gap.feed, gap.started_at, gap.ended_at) not in filled)
