"""What stays on disk between two runs."""

import stat

import pytest

from baleen.errors import AlreadyRunning
from baleen.state import kept_secrets, read_dotenv, state_folder


def test_secrets_are_made_once_kept_and_readable_by_the_owner_only(tmp_path):
    """A second run uses the same passwords, so the store of the first one stays usable."""
    first = kept_secrets(tmp_path, ["a", "b"])

    assert kept_secrets(tmp_path, ["a", "b"]) == first
    assert len(set(first.values())) == 2
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


def test_a_folder_serves_one_run_at_a_time(tmp_path):
    """Two servers on one store would ruin it; the message says how to run two all the same."""
    with (
        state_folder(tmp_path / "state"),
        pytest.raises(AlreadyRunning, match="--state"),
        state_folder(tmp_path / "state"),
    ):
        pass
    with state_folder(tmp_path / "state"):
        pass


def test_dotenv_values_are_taken_literally(tmp_path):
    """A token may hold any character; nothing in it is expanded, and an empty line sets nothing."""
    file = tmp_path / ".env"
    file.write_text("# comment\nUW_API_TOKEN='a$HOME#b'\nEMPTY=\n")

    assert read_dotenv(file) == {"UW_API_TOKEN": "a$HOME#b"}
    assert read_dotenv(tmp_path / "none") == {}
