"""Every generated file of the repository, and which of them differ from the catalogue."""

import json
from pathlib import Path
from typing import Any

from baleen_contracts.asyncapi import asyncapi
from baleen_contracts.pages import close_codes_page, subjects_page
from baleen_contracts.schemas import schemas

SCHEMAS = "libs/contracts/schemas"


def generated() -> dict[str, str]:
    """The text of every generated file by its path in the repository."""
    texts = {f"{SCHEMAS}/{name}.schema.json": as_text(schema) for name, schema in schemas().items()}
    texts["docs/asyncapi.json"] = as_text(asyncapi())
    texts["docs/subjects.md"] = subjects_page()
    texts["docs/close-codes.md"] = close_codes_page()
    return texts


def as_text(document: dict[str, Any]) -> str:
    """JSON as it is committed."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def write(root: Path) -> list[str]:
    """Writes what differs and deletes schemas of entities that are no more; returns the paths touched."""
    touched = differing(root)
    texts = generated()
    for path in touched:
        if path in texts:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(texts[path], encoding="utf-8")
        else:
            (root / path).unlink()
    return touched


def differing(root: Path) -> list[str]:
    """The paths whose file is missing, differs from the catalogue, or should not be there."""
    texts = generated()
    wrong = [path for path, text in texts.items() if _read(root / path) != text]
    left_over = (str(path.relative_to(root).as_posix()) for path in (root / SCHEMAS).glob("*.schema.json"))
    return sorted([*wrong, *(path for path in left_over if path not in texts)])


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
