"""docs/security.md: its example makes a token that is taken, and it names the settings that there are."""

from __future__ import annotations

import contextlib
import io
import re
import time
from pathlib import Path

from ws_gateway.doors.guard import ADMIN_PATHS, OPEN_PATHS
from ws_gateway.doors.keys import KeySet, key_of
from ws_gateway.doors.rights import Identity
from ws_gateway.doors.tokens import Rules, check
from ws_gateway.settings import Settings

DOCUMENT = (Path(__file__).parents[3] / "docs" / "security.md").read_text(encoding="utf-8")
SECRET = "a secret of more than thirty-two bytes"


def test_the_example_makes_a_token_that_is_taken():
    """The three lines are run as they stand."""
    (example,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(example, {"SECRET": SECRET})  # noqa: S102 - our own document
    identity = check(said.getvalue().strip(), KeySet((key_of(SECRET),)), Rules(("baleen",)), time.time())

    assert isinstance(identity, Identity)
    assert (identity.subject, identity.subscribe) == ("alice", ("uw.v1.>", "alert.v1.>"))


def test_every_setting_that_is_named_exists_and_none_of_the_doors_is_left_out():
    """Names in documents die with what they name."""
    named = set(re.findall(r"WS_GATEWAY_[A-Z_]+", DOCUMENT))
    known = {f"WS_GATEWAY_{name.upper()}" for name in Settings.model_fields}
    doors = {name for name in known if re.search("AUTH|PER_SECOND|PER_ADDRESS|PER_SUBJECT|PROXIES", name)}

    assert named <= known
    assert doors <= named


def test_every_path_that_is_open_or_for_admins_is_named():
    """Who reads the document knows what a token is needed for."""
    assert [path for path in (*OPEN_PATHS, *ADMIN_PATHS) if path not in DOCUMENT] == []
