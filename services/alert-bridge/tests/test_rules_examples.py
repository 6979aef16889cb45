"""The examples that people copy: each is read as the bridge would, and does what is said of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alert_bridge.errors import RulesUnreadable
from alert_bridge.rules.model import Rules
from alert_bridge.rules.read import read_rules
from alert_bridge.rules.seen import KEYS

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = (ROOT / "docs/alerts-rules.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
WEBHOOK = "https://discord.com/api/webhooks/123456789012345678/a-token"
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ENVIRONMENT = {
    "DESK_WEBHOOK": WEBHOOK,
    "QUIET_DESK_WEBHOOK": WEBHOOK,
    "DESK_ID": "123456789012345678",
    "DESK_TOKEN": "a-token",
    "ARCHIVE_SECRET": SIGNING,
}


def read(text: str) -> Rules:
    """The rules of an example, with all that it asks for."""
    return read_rules(text, name="example", environ=ENVIRONMENT, read_file=lambda _: SIGNING)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_document_is_sound(example: str):
    """And nothing in it is odd."""
    rules = read(example)

    assert rules.destinations
    assert rules.warnings == ()


def test_the_document_has_examples_of_every_part():
    """Or the test above would prove little; and a broken one would be found."""
    rules = [read(example) for example in EXAMPLES]

    assert all(any(getattr(one, part) for one in rules) for part in ("routes", "mutes", "watches"))
    with pytest.raises(RulesUnreadable):
        read(EXAMPLES[0].replace("to: desk", "to: dsek"))


def test_the_whole_example_is_sound():
    """It is what a first rules file is copied from."""
    rules = read((ROOT / "deploy/alerts/rules.example.yml").read_text())

    assert list(rules.destinations) == ["desk", "quiet-desk", "pager"]
    assert (len(rules.routes), len(rules.mutes), len(rules.watches), rules.warnings) == (4, 1, 1, ())


def test_the_document_names_the_fields_that_a_filter_may_ask():
    """Those that every alert may have; lists of further embeds are for machines."""
    (row,) = re.findall(r"^\| `where` \| (.*) \|$", DOCUMENT, re.MULTILINE)
    named = {name.partition(".")[0] for name in re.findall(r"`([a-z_]+(?:\.…)?)`", row)}

    assert named == {*KEYS} - {"headline", "more_embeds"}
