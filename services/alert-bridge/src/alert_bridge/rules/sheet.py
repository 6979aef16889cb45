"""A rules file while it is read: its parts one by one, and what is found wrong with them. Pure.

Every part is read by itself, so that one flaw hides no other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from alert_bridge.rules.document import Document, Flaw, Place
from alert_bridge.rules.flaws import flaws_of, keys_of
from alert_bridge.rules.values import meant
from alert_bridge.rules.written import Written

PARTS: Final = {"destinations": 100, "routes": 500, "mutes": 500, "watches": 200}
"""The parts of a file, and how many of each there may be."""

W = TypeVar("W", bound=Written)


class Sheet:
    """One file.

    Attributes:
        flaws: everything that is wrong; with one of them there are no rules.
        warnings: what is allowed and yet hardly meant.
    """

    def __init__(self, document: Document) -> None:
        self.flaws = list(document.flaws)
        self.warnings: list[Flaw] = []
        self._document = document
        self._parts: dict[str, Any] = {}
        if isinstance(document.data, dict):
            self._parts = document.data
            for part in self._parts:
                if part not in PARTS:
                    self.flaw((part,), "is not known here" + meant(part, PARTS))
        elif not self.flaws:
            self.flaw((), f"expected {', '.join(PARTS)}; destinations: {{}} says that nobody is told")

    def flaw(self, place: Place, sentence: str) -> None:
        """Something is wrong at *place*."""
        self.flaws.append(Flaw(place, self._document.line_of(place), sentence))

    def warn(self, place: Place, sentence: str) -> None:
        """Something is odd at *place*."""
        self.warnings.append(Flaw(place, self._document.line_of(place), sentence))

    def failed(self, error: ValidationError, model: type[Any], place: Place) -> list[Flaw]:
        """What pydantic found wrong with the part at *place*; the caller keeps what it wants."""
        return list(flaws_of(error, model, place, self._document))

    def destinations(self) -> dict[str, Any]:
        """What is written of each destination, by its name."""
        said: dict[str, Any] = self._part("destinations", dict, "expected an object: names, and what each is")
        return said

    def all(self, model: type[W], part: str) -> Iterator[tuple[Place, W]]:
        """The sound ones of a list with their places; names must be unique, and destinations exist."""
        lines: dict[str, int] = {}
        for at, said in enumerate(self._part(part, list, "expected a list")):
            place: Place = (part, at)
            if isinstance(said, dict):
                self._unique(said.get("name"), (*place, "name"), lines)
                self._told(said.get("to"), (*place, "to"))
            try:
                written = model.model_validate(_without_nothing(said, model))
            except ValidationError as error:
                self.flaws += self.failed(error, model, place)
            else:
                yield place, written

    def _part(self, part: str, kind: type[Any], expected: str) -> Any:
        said = self._parts.get(part)
        if said is None:
            return kind()
        if not isinstance(said, kind):
            self.flaw((part,), expected)
            return kind()
        if len(said) > PARTS[part]:
            self.flaw((part,), f"there may be {PARTS[part]}, and not {len(said)}")
            return kind()
        return said

    def _unique(self, called: Any, place: Place, lines: dict[str, int]) -> None:
        if not isinstance(called, str):
            return
        if called in lines:
            self.flaw(place, f"the one in line {lines[called]} is called the same")
        lines.setdefault(called, self._document.line_of(place))

    def _told(self, to: Any, place: Place) -> None:
        there = self._parts.get("destinations")
        known = list(there) if isinstance(there, dict) else []
        for at, called in enumerate(to if isinstance(to, list) else [to]):
            if isinstance(called, str) and called not in known:
                where = (*place, at) if isinstance(to, list) else place
                self.flaw(where, "no destination is called so" + meant(called, known))


def _without_nothing(said: Any, model: type[W]) -> Any:
    """A part without the known keys that have no value: they count as left out."""
    if not isinstance(said, dict):
        return said
    known = keys_of(model)
    return {key: value for key, value in said.items() if value is not None or key not in known}
