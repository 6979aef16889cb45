"""A bot's own import lines, in processes of their own, beside whatever ``backend`` it has on its disk."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from baleen_bus import fetch_newest, open_bus
from baleen_contracts.alert import Alert

ASYNC, SYNC = "publish_alert_to_websocket", "publish_alert_to_websocket_sync"
MODULE = "backend.app.integrations.alert_websocket_bridge"
OURS = "import baleen_bus.alerts as ours; from baleen_bus.compat import install"
OWN = "def publish_alert_to_websocket_sync(*said): return 'own'\ndef helper(): return 'help'\nLOADED = True\n"

TREES: dict[str, dict[str, str]] = {
    "no backend": {},
    "a backend without app": {"backend/__init__.py": "WHO = 'bot'", "backend/other.py": "HERE = 1"},
    "a namespace backend": {"backend/app/models.py": "HERE = 1", "backend/other.py": "HERE = 1"},
    "a namespace backend without app": {"backend/other.py": "HERE = 1"},
    "an app without integrations": {
        "backend/__init__.py": "WHO = 'bot'",
        "backend/app/__init__.py": "WHO = 'app'",
        "backend/app/models.py": "HERE = 1",
        "backend/other.py": "HERE = 1",
    },
    "integrations without the module": {
        "backend/__init__.py": "WHO = 'bot'",
        "backend/app/__init__.py": "WHO = 'app'",
        "backend/app/integrations/__init__.py": "WHO = 'integrations'",
        "backend/app/integrations/unified_monitor_bridge.py": "HERE = 1",
        "backend/other.py": "HERE = 1",
    },
    "the module itself": {
        "backend/__init__.py": "WHO = 'bot'",
        "backend/app/__init__.py": "WHO = 'app'",
        "backend/app/integrations/__init__.py": "WHO = 'integrations'",
        "backend/app/integrations/unified_monitor_bridge.py": "HERE = 1",
        "backend/app/integrations/alert_websocket_bridge.py": OWN,
        "backend/other.py": "HERE = 1",
    },
}
"""What a bot may have on its disk."""


def plant(folder: Path, tree: dict[str, str]) -> Path:
    """Write the tree into the folder."""
    for name, text in tree.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    return folder


def run(folder: Path, code: str, **environ: str) -> str:
    """Run a program in that folder, and return what it prints."""
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "BALEEN_NATS_URL": "nats://127.0.0.1:9"} | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


@pytest.fixture(params=TREES.values(), ids=TREES.keys())
def bot(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A bot's folder."""
    return plant(tmp_path, request.param)


WAYS = (
    f"from {MODULE} import {SYNC}, {ASYNC}",
    f"import {MODULE} as m",
    f"import {MODULE}; m = {MODULE}",
    f"import importlib; m = importlib.import_module({MODULE!r})",
    "from backend.app.integrations import alert_websocket_bridge as m",
    f"import {MODULE} as m, importlib; m = importlib.reload(m)",
)
"""How Python code imports a module."""


def test_every_way_of_importing_gives_ours(bot):
    """Whatever the bot has of its own; a reload changes nothing. Each way in a process of its own."""
    code = f"""
    import os
    {OURS}
    install()
    install()
    for way in {WAYS!r}:
        if not os.fork():
            got = {{}}
            exec(way, got)
            got |= vars(got["m"]) if "m" in got else {{}}
            same = got[{SYNC!r}] is ours.publish_alert_sync and got[{ASYNC!r}] is ours.publish_alert
            os._exit(0 if same else 1)
        print(os.wait()[1])
    """
    assert run(bot, code).split() == ["0"] * len(WAYS)


def test_the_lazy_import_of_an_alert_manager_works(bot):
    """A class that imports when it sends, in a ``try``, after somebody else installed."""
    code = f"""
    {OURS}

    class AlertManager:
        def send_discord(self, embed, content=None, alert_type="general", source="monitor", symbol=None):
            try:
                from {MODULE} import publish_alert_to_websocket_sync
                return publish_alert_to_websocket_sync(embed, content, alert_type, source, symbol)
            except ImportError:
                return "not imported"

    install()
    print(AlertManager().send_discord({{"title": "t"}}))
    """
    assert run(bot, code) == "False"  # there is no bus in this test


@pytest.mark.slow
def test_everything_else_of_the_bots_backend_stays_its_own(bot):
    """Before and after the module is imported."""
    own = [
        str(file.relative_to(bot).with_suffix("")).replace(os.sep, ".")
        for file in sorted(bot.rglob("*.py"))
        if file.name != "alert_websocket_bridge.py"
    ]
    lines = [f"import {name.removesuffix('.__init__')}" for name in own]
    checks = [f"assert {name.removesuffix('.__init__')}.__file__.startswith({str(bot)!r})" for name in own]
    half = len(lines) // 2
    run(bot, "\n".join([OURS, "install()", *lines, f"import {MODULE}", *checks]))
    run(bot, "\n".join([OURS, "install()", *lines[:half], f"import {MODULE}", *lines[half:], *checks]))
    run(bot, "\n".join([OURS, "install()", f"import {MODULE}", *lines, *checks]))


def test_a_module_imported_before_is_ours_from_then_on(tmp_path):
    """Its two functions are replaced where it stands, and what else it has remains."""
    plant(tmp_path, TREES["the module itself"])
    code = f"""
    {OURS}
    import {MODULE} as early
    assert early.{SYNC}() == "own"
    install()
    from {MODULE} import {SYNC} as late
    print(early.{SYNC} is late is ours.publish_alert_sync, early.{ASYNC} is ours.publish_alert)
    print(early.helper())
    """
    assert run(tmp_path, code).split() == ["True", "True", "help"]


def test_the_bots_own_module_is_not_run(tmp_path):
    """It may need what this process does not have."""
    plant(tmp_path, TREES["the module itself"] | {f"{MODULE.replace('.', '/')}.py": "raise RuntimeError"})

    assert run(tmp_path, f"{OURS}; install(); import {MODULE}; print('fine')") == "fine"


def test_installing_imports_nothing_of_the_bots(tmp_path):
    """A bot may install before its own packages are ready."""
    plant(tmp_path, {"backend/__init__.py": "raise RuntimeError"})

    assert run(tmp_path, f"{OURS}; install(); print('fine')") == "fine"


def test_without_installing_nothing_is_different(tmp_path):
    """Importing this library alone invents no package."""
    code = "import baleen_bus.compat\ntry: import backend\nexcept ImportError: print('none')"

    assert run(tmp_path, code) == "none"


def test_a_backend_that_becomes_importable_later_is_found(tmp_path):
    """As where a program puts its own folder on the path after the first alert."""
    folder = plant(tmp_path / "bot", TREES["integrations without the module"])
    code = f"""
    {OURS}
    install()
    import sys, {MODULE}
    sys.path.insert(0, {str(folder)!r})
    import backend.other, backend.app.integrations.unified_monitor_bridge as bridge
    print(backend.other.HERE, bridge.HERE)
    """
    assert run(tmp_path, code) == "1 1"


def test_a_parent_that_cannot_be_imported_says_why(tmp_path):
    """The bot's own mistake is not hidden."""
    plant(tmp_path, {"backend/__init__.py": "import nothing_of_that_name"})
    code = f"""
    {OURS}
    install()
    try:
        import {MODULE}
    except ModuleNotFoundError as error:
        print(error.name)
    """
    assert run(tmp_path, code) == "nothing_of_that_name"


async def test_an_alert_said_through_it_is_stored(nats_server, tmp_path):
    """By both functions."""
    code = f"""
    import asyncio
    {OURS}
    install()
    from {MODULE} import {SYNC}, {ASYNC}
    print({SYNC}({{"title": "a"}}, None, "rally", "bot", "SPY"))
    print(asyncio.run({ASYNC}(embed={{"title": "b"}}, content="c", alert_type="rally", source="bot")))
    """
    assert run(tmp_path, code, BALEEN_NATS_URL=nats_server.url).split() == ["True", "True"]

    async with open_bus(url=nats_server.url, name="reader", connect_within=5) as bus:
        found = await fetch_newest(bus, "ALERT", "alert.v1.>", 10)
    assert [Alert.model_validate_json(item.body).title for item in found] == ["a", "b"]
