"""The rules that a reader relies on: who may import whom, what pure means, what documents point at."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    path.name: path for group in ("libs", "services", "tools") for path in ROOT.glob(f"{group}/*/src/*")
}
SERVICES = {path.name for path in ROOT.glob("services/*/src/*")}
IMPURE = {
    "asyncio",
    "socket",
    "time",
    "os",
    "random",
    "secrets",
    "threading",
    "subprocess",
    "uuid",
    "nats",
    "httpx",
}
ALLOWED_OURS = {
    "baleen_contracts": set(),
    "baleen_bus": {"baleen_contracts"},
    "baleen_runtime": set(),
    "baleen_filters": set(),
}
DOCS = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    *(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md")),
]


def modules(package: str) -> Iterator[Path]:
    """Yield the source files of *package*."""
    return PACKAGES[package].rglob("*.py")


def imports(source: str) -> set[str]:
    """Return the top-level names that *source* imports when it runs."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def says_pure(source: str) -> bool:
    """Tell whether the module's docstring promises that it is pure."""
    return bool(re.search(r"\bPure\b", ast.get_docstring(ast.parse(source)) or ""))


def impurities(source: str) -> set[str]:
    """Return what a module that promises purity must not import, and does."""
    return imports(source) & IMPURE if says_pure(source) else set()


def paths_named(text: str) -> set[str]:
    """Return the paths of this repository that a document names in backticks or links."""
    named = re.findall(r"`((?:libs|services|tools|tests|bench|docs|deploy)/[\w./-]+)`", text)
    named += re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text)
    return set(named)


def threaded_routes(source: str) -> list[str]:
    """Return the HTTP handlers that FastAPI would run in a thread because they are no coroutines."""
    verbs = {"get", "post", "put", "patch", "delete"}
    return [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
        for mark in node.decorator_list
        if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Attribute) and mark.func.attr in verbs
    ]


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_a_module_that_says_it_is_pure_imports_nothing_that_waits_or_looks_around(package: str):
    """Deciding code is handed time, chance and the outside world."""
    assert {
        str(m.relative_to(ROOT)): bad for m in modules(package) if (bad := impurities(m.read_text()))
    } == {}


def test_an_impure_module_would_be_found():
    """The purity check itself rejects a module that breaks its promise."""
    assert impurities('"""Decides. Pure."""\nimport time') == {"time"}
    assert impurities('"""Decides. Pure."""\nfrom asyncio import sleep') == {"asyncio"}
    assert impurities('"""Sends."""\nimport time') == set()


@pytest.mark.parametrize("package", sorted(SERVICES))
def test_services_share_nothing_but_the_libraries(package: str):
    """A service never imports another, so that each can be deployed alone."""
    for module in modules(package):
        assert not imports(module.read_text()) & (SERVICES - {package}), module


@pytest.mark.parametrize("package", sorted(ALLOWED_OURS))
def test_libraries_depend_in_one_direction(package: str):
    """Contracts know nobody; the bus knows contracts; the runtime knows neither."""
    others = set(PACKAGES) - {package} - ALLOWED_OURS[package]
    for module in modules(package):
        assert not imports(module.read_text()) & others, module


@pytest.mark.parametrize("package", sorted(SERVICES))
def test_entry_points_only_read_settings_and_run(package: str):
    """An entry point stays under 25 lines: there is nothing in it to learn."""
    entry = PACKAGES[package] / "__main__.py"

    assert len(entry.read_text().splitlines()) < 25


def test_no_file_hides_behind_a_name_that_says_nothing():
    """A file is called after what it does."""
    nameless = {"utils.py", "helpers.py", "common.py", "misc.py"}

    assert [m for package in PACKAGES for m in modules(package) if m.name in nameless] == []


@pytest.mark.parametrize("document", DOCS)
def test_every_path_named_in_the_documents_exists(document: str):
    """A document that points at a file that is gone is worse than none."""
    text = (ROOT / document).read_text()
    here = (ROOT / document).parent

    assert [p for p in sorted(paths_named(text)) if not (ROOT / p).exists() and not (here / p).exists()] == []


def test_a_dangling_path_would_be_found():
    """The path check itself sees paths in backticks and links, and leaves the web alone."""
    assert paths_named("see `libs/nowhere.py` and [this](docs/gone.md), not [that](https://x.y)") == {
        "libs/nowhere.py",
        "docs/gone.md",
    }


def test_task_creation_is_left_to_those_who_name_their_tasks():
    """Every asyncio task has a name, so that a dump of running tasks tells a story."""
    calls = [
        (module, node)
        for package in PACKAGES
        for module in modules(package)
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "create_task"
    ]

    assert [
        f"{module.relative_to(ROOT)}:{node.lineno}"
        for module, node in calls
        if not any(keyword.arg == "name" for keyword in node.keywords)
    ] == []


def test_every_http_handler_runs_on_the_loop_that_owns_the_state():
    """State is owned by one loop; a plain function as handler would touch it from a thread."""
    assert {
        str(m.relative_to(ROOT)): found
        for package in PACKAGES
        for m in modules(package)
        if (found := threaded_routes(m.read_text()))
    } == {}


def test_a_handler_in_a_thread_would_be_found():
    """The check itself sees a plain function, and leaves a coroutine alone."""
    source = "@router.post('/a')\ndef plain(): ...\n@router.get('/b')\nasync def fine(): ...\n"

    assert threaded_routes(source) == ["plain"]
