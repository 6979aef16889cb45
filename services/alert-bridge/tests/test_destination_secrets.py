"""No URL and no secret of a destination is ever said: not in a verdict, a log line, a repr or an error."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from pydantic import SecretStr, ValidationError

from alert_bridge.carried import Carried
from alert_bridge.destinations import outward
from alert_bridge.destinations.build import build
from alert_bridge.destinations.discord_limits import Limits
from alert_bridge.destinations.spec import AppriseSpec, DiscordSpec, WebhookSpec
from baleen_contracts.alert import Alert
from baleen_runtime.clock import SystemClock
from baleen_runtime.logs import configure_logs

NOW = datetime(2026, 4, 27, 14, 31, 2, tzinfo=UTC)
TOKEN = "Tok3n-that-nobody-may-see_0123456789"
KEY = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Everything that is logged, at the level that says most."""
    root, level = logging.getLogger(), logging.getLogger().level
    handlers = list(root.handlers)
    stream = io.StringIO()
    configure_logs("debug", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def specs(port: int) -> list[Any]:
    """One of each kind, with a secret in it."""
    base = f"127.0.0.1:{port}"
    return [
        DiscordSpec(type="discord", url=SecretStr(f"http://{base}/api/webhooks/1/{TOKEN}")),
        WebhookSpec(
            type="webhook",
            url=SecretStr(f"http://{base}/{TOKEN}"),
            secret=SecretStr(f"whsec_{KEY}"),
            allow_private=True,
        ),
        AppriseSpec(type="apprise", url=SecretStr(f"json://me:{TOKEN}@{base}/{TOKEN}"), allow_private=True),
    ]


@pytest.mark.parametrize("kind", [0, 1, 2], ids=["discord", "webhook", "apprise"])
@pytest.mark.parametrize("what", ["taken", "refused", "echoed", "broken", "limited", "away", "cut", "silent"])
async def test_nothing_that_is_said_holds_a_secret(
    stranger: Any, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch, kind: int, what: str
):
    """Whatever becomes of a message."""
    monkeypatch.setattr(outward, "WITHIN", 0.5)
    stranger.says(200, {"id": "1", "channel_id": "5"})
    echo = {"code": 50035, "message": f"POST /api/webhooks/1/{TOKEN}", "errors": {TOKEN: {"_errors": [{}]}}}
    answers = {
        "refused": (404, b""),
        "echoed": (400, echo),
        "broken": (500, TOKEN.encode()),
        "limited": (429, echo),
    }
    spec = specs(1 if what == "away" else stranger.port)[kind]
    destination = build("desk", spec, clock=SystemClock(), limits=Limits())
    body = destination.pack([Carried(1, Alert(alert_type="a", source="b", occurred_at=NOW), NOW)]).body
    said = [spec, destination, vars(destination).get("_address"), body, await destination.send(body)]
    if what in answers:
        stranger.says(*answers[what])
    elif what == "cut":
        stranger.cuts()
    elif what == "silent":
        stranger.falls_silent()
    said.append(await destination.send(body))
    structlog.get_logger("test").warning("somebody careless", url=spec.url.get_secret_value(), token=TOKEN)
    await destination.close()

    text = "\n".join(f"{one!r} {one}" for one in said) + lines.getvalue()
    assert "somebody careless" in text
    assert TOKEN not in text
    assert KEY not in text


@pytest.mark.parametrize("kind", [DiscordSpec, WebhookSpec, AppriseSpec])
def test_a_wrong_spec_is_named_without_its_secrets(kind: type[Any]):
    """Also when the whole error is printed as it is."""
    said = {"type": kind.model_fields["type"].annotation.__args__[0], "url": SecretStr(f"x{TOKEN}")}
    said |= {"secret": SecretStr(KEY)} if kind is WebhookSpec else {}

    with pytest.raises(ValidationError) as refusal:
        kind.model_validate(said)

    assert TOKEN not in str(refusal.value)
    assert KEY not in str(refusal.value)
