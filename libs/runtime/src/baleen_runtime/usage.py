"""What `--help` says of a service: it is set by environment variables, and these are they. Pure."""

from __future__ import annotations

import re
import textwrap
from typing import Any, Final

from pydantic.fields import FieldInfo

from baleen_runtime.settings import ServiceSettings, variables_of

_WIDTH: Final = 100
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.,:/@*+-]*")


def usage(program: str, cls: type[ServiceSettings]) -> str:
    """Return the whole help of a service that takes no arguments."""
    words = f"usage: {program} [--help]\n\nRuns until SIGTERM. Takes no arguments."
    return f"{words}\n\n{told_variables(cls)}"


def told_variables(cls: type[ServiceSettings]) -> str:
    """Return every variable of *cls*, its default and its meaning, two lines or more each."""
    variables = variables_of(cls)
    entries = [_entry(variables[name], field) for name, field in cls.model_fields.items()]
    return "\n".join(["environment variables, and their defaults:", *entries])


def default_text(field: FieldInfo) -> str:
    """Return a field's default as a shell would spell it; nothing for a secret or one made at each start."""
    if "SecretStr" in str(field.annotation):
        return ""
    return _spelt(field.get_default(call_default_factory=True) if _settled(field) else None)


def _entry(variables: list[str], field: FieldInfo) -> str:
    also = f" Also read from {', '.join(variables[1:])}." if variables[1:] else ""
    words = textwrap.fill(
        (field.description or "") + also, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6
    )
    return f"  {variables[0]}={default_text(field)}\n{words}"


def _settled(field: FieldInfo) -> bool:
    """Whether the default is the same wherever and whenever the service starts."""
    make: Any = field.default_factory
    return make is None or make() == make()


def _spelt(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case tuple() | list():
            return _quoted(",".join(str(one) for one in value))
        case float():
            return str(int(value)) if value.is_integer() else str(value)
        case _:
            return _quoted(str(value))


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else f"'{text}'"
