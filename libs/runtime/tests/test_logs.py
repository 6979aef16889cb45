"""Every line goes through one redacting pipeline, whoever wrote it."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog

from baleen_runtime.logs import configure_logs
from baleen_runtime.redact import Redactor

SECRET = "s3cr3t/token+value"


@pytest.fixture
def lines():
    """Return a stream that receives every log line as JSON."""
    stream = io.StringIO()
    configure_logs("debug", "json", secrets=[SECRET], stream=stream)
    return stream


def test_a_structured_value_never_shows_a_secret(lines: io.StringIO):
    """Secrets are taken out of values at any depth."""
    structlog.get_logger("t").info("connecting", url=f"ws://h/socket?token={SECRET}", more={"deep": [SECRET]})

    assert SECRET not in lines.getvalue()
    assert json.loads(lines.getvalue())["url"] == "ws://h/socket?token=***"


def test_a_url_encoded_secret_is_recognised(lines: io.StringIO):
    """A token in a query string is percent-encoded, and hidden all the same."""
    structlog.get_logger("t").info("connecting", url="ws://h/socket?token=s3cr3t%2Ftoken%2Bvalue")

    assert "s3cr3t" not in lines.getvalue()


def test_a_traceback_never_shows_a_secret(lines: io.StringIO):
    """An exception's own sentence is redacted too."""
    try:
        raise ValueError(f"cannot open {SECRET}")
    except ValueError:
        structlog.get_logger("t").exception("failed")

    assert "ValueError" in lines.getvalue()
    assert SECRET not in lines.getvalue()


def test_a_library_that_logs_by_itself_is_redacted(lines: io.StringIO):
    """Records of the standard library take the same way."""
    logging.getLogger("some.library").warning("GET %s", f"/socket?token={SECRET}")

    assert "GET" in lines.getvalue()
    assert SECRET not in lines.getvalue()


def test_a_very_short_value_is_not_treated_as_a_secret():
    """Blanking out one- or two-letter values would make every line unreadable."""
    assert Redactor(["a"]).text("a banana") == "a banana"


@pytest.mark.parametrize("library", ["httpx", "uvicorn.access", "uvicorn.error"])
def test_what_libraries_say_of_every_request_is_left_out(
    lines: io.StringIO, library: str, monkeypatch: pytest.MonkeyPatch
):
    """Such lines hold whole URLs, and a client's token may stand in one; warnings still come through."""
    monkeypatch.setattr(logging.getLogger(library), "propagate", True)  # a server here may have changed it
    logging.getLogger(library).info('"WebSocket /v1/stream?token=unknown-to-us" [accepted]')
    logging.getLogger(library).warning("a warning")

    assert "unknown-to-us" not in lines.getvalue()
    assert "a warning" in lines.getvalue()
