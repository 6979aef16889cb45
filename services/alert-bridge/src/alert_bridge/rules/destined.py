"""Where a rules file lets alerts go: its destinations, with their secrets looked up. Pure."""

from __future__ import annotations

from typing import Any, Final, cast, get_args

from pydantic import BaseModel, SecretStr, ValidationError

from alert_bridge.destinations.spec import Spec
from alert_bridge.rules.references import References
from alert_bridge.rules.sheet import Sheet
from alert_bridge.rules.values import name, seconds

_KINDS: Final[dict[str, type[BaseModel]]] = {
    get_args(kind.model_fields["type"].annotation)[0]: kind for kind in get_args(get_args(Spec)[0])
}
_DURATIONS: Final = ("give_up_after",)
"""Fields that are written with a unit."""


def destinations_of(sheet: Sheet, references: References | None) -> dict[str, Spec]:
    """The sound destinations of a file, by name.

    Without *references* each has its type and nothing else, for whoever tells nobody.
    """
    found: dict[str, Spec] = {}
    for called, said in sheet.destinations().items():
        try:
            name(called)
        except ValueError as error:
            sheet.flaw(("destinations", called), str(error))
        kind = said.get("type") if isinstance(said, dict) else None
        if not isinstance(said, dict):
            sheet.flaw(("destinations", called), "expected an object: type, url, …")
        elif not isinstance(kind, str) or kind not in _KINDS:
            sheet.flaw(("destinations", called, "type"), f"is one of {', '.join(_KINDS)}")
        elif references is None:
            found[called] = cast("Spec", _KINDS[kind].model_construct(type=kind))
        else:
            spec = _spec(sheet, called, said, _KINDS[kind], references)
            if spec is not None:
                found[called] = spec
    return found


def _spec(
    sheet: Sheet, called: str, said: dict[str, Any], model: type[BaseModel], references: References
) -> Spec | None:
    secrets = frozenset(at for at, field in model.model_fields.items() if field.annotation is SecretStr)
    fields, wrong = references.resolved(said, secrets)
    for at in _DURATIONS:
        if fields.get(at) is not None:
            try:
                fields[at] = seconds(fields[at])
            except ValueError as error:
                wrong[at] = str(error)
    for at, sentence in wrong.items():
        sheet.flaw(("destinations", called, at), sentence)
    try:
        return cast(
            "Spec", model.model_validate({at: value for at, value in fields.items() if value is not None})
        )
    except ValidationError as error:
        place = ("destinations", called)
        sheet.flaws += [
            flaw
            for flaw in sheet.failed(error, model, place)
            if flaw.place[len(place) :][:1] not in {(at,) for at in wrong}
        ]
        return None
