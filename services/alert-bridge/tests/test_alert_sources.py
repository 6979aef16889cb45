"""Sources: made once, kept private, compared without telling what was wrong."""

import json
import stat
import subprocess
import sys

import pytest

from alert_bridge.errors import SourcesUnreadable, UnknownWebhook
from alert_bridge.receive.sources import Sources, add_source, load_sources


def test_a_source_is_made_once(tmp_path):
    """Asking again gives the same credentials; another name gets its own."""
    path = tmp_path / "deep" / "sources.json"

    first, again, other = add_source(path, "local"), add_source(path, "local"), add_source(path, "bot")

    assert first == again
    assert first.token != other.token
    assert load_sources(path).names == {"local", "bot"}


def test_the_file_is_the_owners_alone(tmp_path):
    """A token is a password; nobody else may read it."""
    path = tmp_path / "sources.json"
    add_source(path, "local")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_credentials_have_the_shape_clients_check(tmp_path):
    """Some clients want 17 to 19 digits and a token of 68 letters without a dot."""
    source = add_source(tmp_path / "s.json", "local")

    assert 17 <= len(source.id) <= 19
    assert len(source.token) == 68
    assert source.token not in repr(source)
    assert source.webhook_url("http://h:1/") == f"http://h:1/api/webhooks/{source.id}/{source.token}"


def test_a_wrong_id_and_a_wrong_token_look_the_same(tmp_path):
    """Neither says which half was right."""
    source = add_source(tmp_path / "s.json", "local")
    sources = Sources([source])

    said = set()
    for webhook_id, token in [
        (source.id, "x" * 68),
        ("1" * 18, source.token),
        (source.id, ""),
        ("", "ü\ud800"),
    ]:
        with pytest.raises(UnknownWebhook) as caught:
            sources.by_webhook(webhook_id, token)
        said.add(str(caught.value))

    assert len(said) == 1
    assert sources.by_webhook(source.id, source.token) is source
    assert sources.by_token(source.token) is source
    assert sources.by_token("nonsense") is None


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '[{"name":"a"}]', '[{"name":"a","id":"1","token":"secret-token"}]', "\0"]
)
def test_a_wrong_file_is_named_without_its_secrets(tmp_path, text):
    """The error says which file and where, and shows no value."""
    path = tmp_path / "sources.json"
    path.write_text(text)

    with pytest.raises(SourcesUnreadable, match=r"sources\.json") as caught:
        load_sources(path)

    assert "secret-token" not in str(caught.value)


def test_a_missing_file_names_variable_and_cure(tmp_path):
    """The operator reads what to type."""
    with pytest.raises(SourcesUnreadable, match=r"ALERT_BRIDGE_SOURCES.*alert-bridge source add"):
        load_sources(tmp_path / "none.json")


def test_the_command_prints_one_url_and_nothing_else(tmp_path):
    """`source add` is safe to call from a script, again and again."""
    command = [
        sys.executable,
        "-m",
        "alert_bridge",
        "source",
        "add",
        "local",
        "--file",
        str(tmp_path / "s.json"),
    ]
    command += ["--base-url", "http://127.0.0.1:9"]

    first, again = (subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(2))

    saved = json.loads((tmp_path / "s.json").read_text())[0]
    assert first.stdout == again.stdout == f"http://127.0.0.1:9/api/webhooks/{saved['id']}/{saved['token']}\n"
    assert first.stderr == ""
