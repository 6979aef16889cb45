"""Asking what rules would do with an alert: which rules, and what the program of the bridge answers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from baleen.errors import CannotRun
from baleen.explain_alert import AlertAsked, explain_command

RULES = (
    "destinations:\n  desk: {type: discord, url: '${NOBODY_SET_THIS}'}\nroutes:\n  - {name: all, to: desk}\n"
)


def run(*arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
    """The command as a person runs it."""
    program = Path(sys.executable).with_name("baleen")
    return subprocess.run(
        [program, "explain", *arguments], input=said, capture_output=True, text=True, timeout=60, check=False
    )


def test_an_alert_is_explained_by_the_rules_that_are_named(tmp_path: Path):
    """Nobody is told, and no secret is needed; the alert may come by the standard input."""
    (tmp_path / "rules.yml").write_text(RULES)
    alert = json.dumps({"alert_type": "cpu", "source": "grafana"})
    (tmp_path / "alert.json").write_text(alert)
    rules = ("--rules", str(tmp_path / "rules.yml"), "--at", "2026-11-21T03:00:00-05:00")

    for found in (run("alert", str(tmp_path / "alert.json"), *rules), run("alert", "-", *rules, said=alert)):
        assert found.stderr == ""
        assert found.returncode == 0
        assert 'desk is told, by the route "all"' in found.stdout


@pytest.mark.slow
def test_what_cannot_be_explained_is_said(tmp_path: Path):
    """Wrong rules by their lines, no alert by a sentence; both end with 1."""
    (tmp_path / "rules.yml").write_text(RULES.replace("to: desk", "to: dsek"))
    found = run("alert", "-", "--rules", str(tmp_path / "rules.yml"), said="{}")

    assert found.returncode == 1
    assert "rules.yml:4: routes[0].to: no destination is called so; did you mean desk?" in found.stderr
    nothing = run("alert")
    assert nothing.returncode == 1
    assert "Which alert?" in nothing.stdout + nothing.stderr


def test_rules_are_those_named_then_the_settings_then_those_of_make_up(tmp_path: Path):
    """The nearest wins; without any it is said how to name some."""
    usual = tmp_path / ".baleen" / "rules.yaml"
    settings = {"ALERT_BRIDGE_RULES": "/etc/rules.yml"}
    asked = AlertAsked("-x.json", at="2026-11-21")

    with pytest.raises(CannotRun, match="--rules"):
        explain_command(asked, tmp_path, {})
    usual.parent.mkdir()
    usual.touch()
    assert explain_command(asked, tmp_path, {})[1:] == [
        "explain", f"--rules={usual}", "--at=2026-11-21", "--", "-x.json",
    ]  # fmt: skip
    assert "--rules=/etc/rules.yml" in explain_command(asked, tmp_path, settings)
    named = AlertAsked("x.json", rules=Path("mine.yml"))
    assert "--rules=mine.yml" in explain_command(named, tmp_path, settings)
