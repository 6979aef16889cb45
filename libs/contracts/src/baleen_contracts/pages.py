"""The generated pages of the documentation: the subject table and the close codes. Pure."""

from baleen_contracts.catalogue import CATALOGUE, Entity
from baleen_contracts.close_codes import CLOSE_CODES, RANGES, CloseCode

_NOTE = "<!-- Written by `python -m baleen_contracts generate`; edit libs/contracts instead. -->"


def subjects_page() -> str:
    """``docs/subjects.md``."""
    rows = "\n".join(_subject_row(entity) for entity in CATALOGUE)
    return f"""{_NOTE}

# Subjects

A public subject is `<domain>.v<major>.<entity>[.<key>…]`. Publishers write to `ingress.<public subject>`; the
stream stores the message and repeats it on the public subject, which everybody reads. Keys are tokens:
letters, digits, `-` and `_` stay, every other byte is `%XX` (`BRK.B` is `BRK%2EB`), and `_` alone means
"no key". Symbols are upper case, agents and alert types lower case.

Delivery `every`: no message is lost in silence. Delivery `latest`: only the newest per subject matters.
Delivery `request`: asked and answered, never stored.

| entity | subject | stream | delivery | producer | consumers | what |
|---|---|---|---|---|---|---|
{rows}

The JSON Schemas in `libs/contracts/schemas` describe the bodies, `docs/asyncapi.json` everything together.
"""


def _subject_row(entity: Entity) -> str:
    cells = (
        entity.name,
        f"`{entity.subject}`",
        entity.stream or "none",
        entity.delivery.value,
        entity.producer,
        ", ".join(entity.consumers),
        entity.summary,
    )
    return f"| {' | '.join(cells)} |"


def close_codes_page() -> str:
    """``docs/close-codes.md``."""
    rows = "\n".join(_code_row(code) for code in CLOSE_CODES)
    ranges = "\n".join(f"- {codes.start}-{codes.stop - 1}: come back {back.value}." for codes, back in RANGES)
    return f"""{_NOTE}

# Close codes

A connection is accepted before it is refused, so that browsers see the code. On the native protocol the range
alone says whether to come back, so that a client obeys a code it has never seen:

{ranges}

"Later" is after the time the client was told, else with growing pauses; "never" is not before something was
changed.

| code | name | spoken on | come back | meaning |
|---|---|---|---|---|
{rows}
"""


def _code_row(code: CloseCode) -> str:
    return f"| {code.code} | {code.name} | {code.spoken} | {code.comes_back.value} | {code.meaning} |"
