"""What a subject pattern covers. Pure."""

from collections.abc import Iterable


def covers(wide: str, narrow: str) -> bool:
    """Whether every subject that ``narrow`` (a subject or pattern) matches is matched by ``wide``."""
    wides, narrows = wide.split("."), narrow.split(".")
    for place, part in enumerate(wides):
        if part == ">":
            return len(narrows) > place
        if place >= len(narrows) or narrows[place] == ">":
            return False
        if part not in ("*", narrows[place]):
            return False
    return len(wides) == len(narrows)


def without_covered(patterns: Iterable[str]) -> tuple[str, ...]:
    """The patterns that no other one covers; no subject matches more of them than it must."""
    kept: list[str] = []
    for pattern in dict.fromkeys(patterns):
        if not any(covers(other, pattern) for other in kept):
            kept = [other for other in kept if not covers(pattern, other)]
            kept.append(pattern)
    return tuple(kept)
