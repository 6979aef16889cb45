"""What a rules file wants to be made alerts: its watches, checked against what their subjects bring. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from alert_bridge.rules.document import Place
from alert_bridge.rules.model import Once, Watch
from alert_bridge.rules.sheet import Sheet
from alert_bridge.rules.subjects import fields_under, flaw_of
from alert_bridge.rules.title import fields_in
from alert_bridge.rules.values import filter_over, meant
from alert_bridge.rules.written import WrittenWatch
from baleen_filters import FieldType, Filter


def watches_of(sheet: Sheet) -> Iterator[Watch]:
    """The sound watches of a file."""
    for place, written in sheet.all(WrittenWatch, "watches"):
        flaw = flaw_of(written.subject)
        if flaw is not None:
            sheet.flaw((*place, "subject"), flaw)
            continue
        fields = fields_under(written.subject)
        where = _filter(sheet, place, written.where, fields)
        _check_names(sheet, (*place, "title"), _named(sheet, place, written.title), fields)
        cooldown = written.cooldown
        if cooldown is not None:
            _check_names(sheet, (*place, "cooldown", "by"), cooldown.by, fields)
        yield Watch(
            written.name,
            written.subject,
            where,
            written.alert_type,
            written.title,
            severity=written.severity,
            cooldown=Once(cooldown.by, cooldown.every) if cooldown is not None else None,
        )


def _filter(sheet: Sheet, place: Place, text: str | None, fields: dict[str, FieldType]) -> Filter | None:
    try:
        return None if text is None else filter_over(text, fields)
    except ValueError as error:
        sheet.flaw((*place, "where"), str(error))
        return None


def _named(sheet: Sheet, place: Place, title: str) -> tuple[str, ...]:
    try:
        return fields_in(title)
    except ValueError as error:
        sheet.flaw((*place, "title"), str(error))
        return ()


def _check_names(sheet: Sheet, place: Place, names: Iterable[str], fields: dict[str, FieldType]) -> None:
    """Each name must be a field of what is heard; fields of free data follow after a dot."""
    for name in names:
        first, _, rest = name.partition(".")
        if first not in fields:
            sheet.flaw(place, f"what is heard has no field {name[:64]!r}{meant(first, fields)}")
        elif rest and fields[first] not in (FieldType.OBJECT, FieldType.ANY):
            sheet.flaw(place, f"{first!r} is {fields[first]}: nothing follows it after a dot")
