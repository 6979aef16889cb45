"""Whether a service lives and whether it is ready, in words an operator can act on. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Health:
    """The parts a service needs before it may be sent work, and what each lacks.

    A part that never reported is not ready: readiness is earned, not assumed.
    """

    service: str
    needs: tuple[str, ...] = ()
    _reasons: dict[str, str] = field(default_factory=dict)
    _notes: dict[str, str] = field(default_factory=dict)
    _draining: bool = False

    def __post_init__(self) -> None:
        for part in self.needs:
            self._reasons.setdefault(part, "has not reported yet")

    def report(self, part: str, *, ok: bool, reason: str = "", note: str = "") -> None:
        """Note that *part* is fine, with what to know of it all the same, or why it is not."""
        self._reasons[part] = "" if ok else (reason or "not ready")
        self._notes[part] = note

    def drain(self) -> None:
        """Stop being ready for good: the service is leaving."""
        self._draining = True

    @property
    def draining(self) -> bool:
        """Whether the service is leaving."""
        return self._draining

    @property
    def ready(self) -> bool:
        """Whether every part is fine and the service is not leaving."""
        return not self._draining and not any(self._reasons.values())

    def explain(self) -> dict[str, str]:
        """Return each part with "ok", what it lacks, or what to know of it."""
        parts = {
            part: reason or self._notes.get(part) or "ok" for part, reason in sorted(self._reasons.items())
        }
        return {"service": "draining", **parts} if self._draining else parts
