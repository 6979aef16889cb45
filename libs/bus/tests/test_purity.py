"""Modules that decide are handed what they decide upon."""

import ast
from pathlib import Path

import pytest

import baleen_bus

SOURCE = Path(baleen_bus.__file__).parent
FORBIDDEN = {"asyncio", "time", "os", "random", "socket", "threading", "nats", "logging"}


def imported(source: str) -> set[str]:
    """The top-level packages that a module imports."""
    nodes = list(ast.walk(ast.parse(source)))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {
        name.split(".")[0]
        for name in plain | {n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)}
    }


PURE = [
    path for path in SOURCE.glob("*.py") if "Pure" in (ast.get_docstring(ast.parse(path.read_text())) or "")
]


def test_the_deciding_modules_say_that_they_are_pure():
    """So that nobody takes the word away together with the duty."""
    assert {path.stem for path in PURE} >= {
        "outbox",
        "lane",
        "sequence",
        "acks",
        "envelope",
        "streams",
        "permissions",
        "buckets",
        "lease",
        "lease_talk",
        "lease_value",
        "wish",
        "doubts",
        "plain_alert",
        "plain_json",
    }


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.stem)
def test_a_pure_module_imports_no_world(path):
    """No loop, clock, socket, environment, randomness or client."""
    assert not imported(path.read_text(encoding="utf-8")) & FORBIDDEN


def test_the_check_sees_a_forbidden_import():
    """In either form."""
    assert imported("import os.path") & FORBIDDEN
    assert imported("from asyncio import sleep") & FORBIDDEN
