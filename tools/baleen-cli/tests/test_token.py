"""A token to try the gateway with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jwt
import pytest
from typer.testing import CliRunner

from baleen.__main__ import app

SECRET = "a secret of more than thirty-two bytes"


@pytest.fixture(autouse=True)
def _checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout whose `.env` is the test's."""
    (tmp_path / "deploy" / "nats").mkdir(parents=True)
    (tmp_path / "deploy" / "nats" / "nats-server.conf").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WS_GATEWAY_AUTH_KEY", raising=False)


def run(*arguments: str, **variables: str) -> Any:
    """Run `baleen token`."""
    return CliRunner().invoke(app, ["token", *arguments], env=variables)


def test_the_token_says_what_was_asked_for_and_nothing_else_is_printed():
    """So that it can be used in a command line."""
    said = (
        "alice",
        "--subscribe",
        "uw.v1.>",
        "--subscribe",
        "alert.v1.>",
        "--publish",
        "command.v1.>",
        "--admin",
    )
    result = run(*said, WS_GATEWAY_AUTH_KEY=SECRET)
    claims = jwt.decode(result.stdout.strip(), SECRET, ["HS256"], audience="baleen")

    assert (result.exit_code, claims["sub"]) == (0, "alice")
    assert claims["baleen"] == {
        "subscribe": ["uw.v1.>", "alert.v1.>"], "publish": ["command.v1.>"], "admin": True,
    }  # fmt: skip


def test_the_secret_of_the_gateway_is_found_in_the_settings_file(tmp_path: Path):
    """With the audience and the issuer that the gateway asks for; all may be heard and nothing said."""
    (tmp_path / ".env").write_text(
        f"WS_GATEWAY_AUTH_KEY='{SECRET}'\nWS_GATEWAY_AUTH_AUDIENCE=a,b\nWS_GATEWAY_AUTH_ISSUER=me\n"
    )
    claims = jwt.decode(run("bob").stdout.strip(), SECRET, ["HS256"], audience="a", issuer="me")

    assert claims["baleen"] == {"subscribe": [">"], "publish": [], "admin": False}


@pytest.mark.parametrize(
    ("key", "words"),
    [("", "openssl rand"), ("short", "32 bytes"), ("-----BEGIN PUBLIC KEY-----", "public key")],
)
def test_without_a_secret_it_says_what_to_do(key: str, words: str):
    """Nothing is printed that could be taken for a token, and no key either."""
    result = run("alice", WS_GATEWAY_AUTH_KEY=key)

    assert (result.exit_code, result.stdout) == (1, "")
    assert words in result.stderr
    assert not key or key not in result.stderr
