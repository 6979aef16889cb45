"""Sources: made once, kept private, compared without telling what was wrong."""

import hmac
import json
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from alert_bridge.errors import NotAllowed, SourcesUnreadable, UnknownWebhook
from alert_bridge.receive.allowance import Allowances
from alert_bridge.receive.signature import refuse_unsigned
from alert_bridge.receive.source import Source, Sources
from alert_bridge.receive.sources import (
    add_source,
    list_sources,
    load_sources,
    remove_source,
    rotate_source,
)

NOW = datetime(2026, 4, 27, 14, 31, 2, tzinfo=UTC)


class Clock:
    """A clock that a test sets."""

    def __init__(self, time: datetime) -> None:
        self.time = time

    def now(self) -> datetime:
        """The time that was set."""
        return self.time

    def monotonic(self) -> float:
        """The same in seconds."""
        return self.time.timestamp()


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
    sources = Sources([source], Clock(NOW))

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


def test_a_rotated_source_has_a_new_token_and_the_old_one_for_a_while(tmp_path):
    """The old one is good until its time, and without a time not at all; its id stays."""
    path = tmp_path / "s.json"
    first = add_source(path, "bot")
    clock = Clock(NOW)

    second = rotate_source(path, "bot", keep_old=timedelta(hours=24), now=NOW)
    sources = Sources(list_sources(path), clock)
    found = [sources.by_token(source.token) for source in (first, second)]
    by_webhook = sources.by_webhook(first.id, first.token)
    clock.time = NOW + timedelta(hours=24)
    late = [sources.by_token(source.token) is not None for source in (first, second)]
    third = rotate_source(path, "bot", keep_old=timedelta(0), now=clock.time)

    assert first.id == second.id == third.id
    assert len({first.token, second.token, third.token}) == 3
    assert [source.name for source in found] == [by_webhook.name, "bot"]
    assert late == [False, True]
    assert list_sources(path)[0].old_tokens == ()


async def test_an_old_token_does_not_tell_the_new_one(bridge, tmp_path):
    """Whoever got hold of the old one must not read the new one where the webhook is shown."""
    new = rotate_source(tmp_path / "sources.json", "bot", keep_old=timedelta(hours=1), now=datetime.now(UTC))
    await bridge.until_known(f"/api/webhooks/{new.id}/{new.token}")

    by_old, by_new = [
        await bridge.client.get(f"/api/webhooks/{new.id}/{token}")
        for token in (bridge.source.token, new.token)
    ]

    assert by_old.json()["token"] == bridge.source.token
    assert by_new.json()["token"] == new.token


def test_an_old_token_never_lives_longer_than_it_was_given(tmp_path):
    """A second rotation does not stretch the first one's time."""
    path = tmp_path / "s.json"
    first = add_source(path, "bot")
    rotate_source(path, "bot", keep_old=timedelta(hours=1), now=NOW)

    rotate_source(path, "bot", keep_old=timedelta(days=9), now=NOW)

    ends = {old.token: old.until for old in list_sources(path)[0].old_tokens}
    assert ends[first.token] == NOW + timedelta(hours=1)
    assert len(ends) == 2


def test_a_removed_source_is_unknown(tmp_path):
    """With all its tokens; another stays."""
    path = tmp_path / "s.json"
    gone, stays = add_source(path, "gone"), add_source(path, "stays")

    remove_source(path, "gone")

    sources = load_sources(path)
    assert sources.by_token(gone.token) is None
    assert sources.by_token(stays.token).name == "stays"
    with pytest.raises(ValueError, match="gone"):
        remove_source(path, "gone")


@pytest.mark.parametrize("shared", ["name", "id", "token"])
def test_two_sources_share_nothing(tmp_path, shared):
    """A file in which a token would mean two senders is refused, and does not show the token."""
    path = tmp_path / "s.json"
    first = add_source(path, "a")
    add_source(path, "b")
    one, other = json.loads(path.read_text())
    path.write_text(json.dumps([one, {**other, shared: one[shared]}]))

    with pytest.raises(SourcesUnreadable, match=f"same {shared}") as caught:
        load_sources(path)

    assert first.token not in str(caught.value)


def run_source(*arguments: str) -> subprocess.CompletedProcess:
    """Run `alert-bridge source`."""
    command = [sys.executable, "-m", "alert_bridge", "source", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_commands_rotate_list_and_remove(tmp_path):
    """URLs where they are asked for; a list never shows a token."""
    file = ("--file", str(tmp_path / "s.json"), "--base-url", "http://h")
    added = run_source("add", "bot", "--dialect", "tradingview", *file)
    rotated = run_source("rotate", "bot", "--keep-old", "24h", "--dialect", "slack", *file)
    listed = run_source("list", *file)
    removed = run_source("remove", "bot", *file)
    wrong = [run_source("rotate", "bot", *file), run_source("rotate", "x", "--keep-old", "soon", *file)]

    [source_id, old] = added.stdout.strip().removeprefix("http://h/in/tradingview/").split("/")
    assert rotated.stdout.startswith(f"http://h/api/webhooks/{source_id}/")
    assert rotated.stdout.endswith("/slack\n")
    new = rotated.stdout.strip().split("/")[-2]
    assert new != old
    assert listed.stdout.startswith(f"bot  webhook {source_id}  old token good until ")
    assert not {old, new} & set(listed.stdout.replace("/", " ").split())
    assert (removed.returncode, removed.stdout, removed.stderr) == (0, "", "")
    assert [done.returncode for done in wrong] == [1, 2]
    assert all(done.stderr for done in wrong)


async def test_a_changed_file_is_read_without_a_restart(bridge, tmp_path):
    """A new source is let in, a removed one is not, and readiness says nothing of it."""
    path = tmp_path / "sources.json"
    new = add_source(path, "new")
    webhook = f"/api/webhooks/{new.id}/{new.token}"
    await bridge.until_known(webhook)

    remove_source(path, "bot")
    await bridge.until_answer(bridge.webhook, b'{"content":"x"}', 404)

    parts = (await bridge.client.get("/readyz")).json()["parts"]
    assert parts["sources"] == "ok"


async def test_a_broken_file_keeps_those_who_were_known(bridge, tmp_path):
    """Still ready, still taking; the reason is told, and so is the cure's effect."""
    path = tmp_path / "sources.json"
    whole = path.read_text()

    path.write_text(whole[:-20])
    await bridge.until_part("sources", "as they were before")
    taken = await bridge.client.post(bridge.webhook, json={"content": "x"})
    ready = await bridge.client.get("/readyz")
    path.unlink()
    await bridge.until_part("sources", "cannot be read")
    still = await bridge.client.post(bridge.webhook, json={"content": "x"})
    path.write_text(whole)
    await bridge.until_part("sources", "ok")

    assert (taken.status_code, still.status_code, ready.status_code) == (204, 204, 200)
    assert bridge.source.token not in ready.text


def test_a_limit_lets_through_so_many_and_fills_again():
    """All at once, then one for each that time has given back; a source without one is never held up."""
    limited = Source(name="a", id="1" * 18, token="t" * 68, limit={"requests": 3, "seconds": 6})
    free = Source(name="b", id="2" * 18, token="u" * 68)
    allowances = Allowances()

    first = [allowances.wait_for(limited, 100.0) for _ in range(4)]
    later = [allowances.wait_for(limited, at) for at in (101.0, 102.0, 102.5)]

    assert first == [0, 0, 0, 2]
    assert later == [1, 0, 1.5]
    assert {allowances.wait_for(free, 100.0) for _ in range(100)} == {0}


def test_an_old_signature_is_not_good_any_more():
    """What was signed a while ago may be a copy of what somebody heard."""
    source = Source(name="a", id="1" * 18, token="t" * 68, signing_secret="s" * 20)
    at = str(int(NOW.timestamp()))
    good = hmac.digest(b"s" * 20, at.encode() + b":body", "sha256").hex()
    headers = {"x-grafana-alerting-signature": good, "x-grafana-alerting-timestamp": at}

    refuse_unsigned(source, headers, b"body", NOW + timedelta(seconds=299))
    for late in (timedelta(seconds=301), timedelta(seconds=-301)):
        with pytest.raises(NotAllowed):
            refuse_unsigned(source, headers, b"body", NOW + late)


@pytest.mark.parametrize("at", ["", "x", "²", "9" * 40, "-1"])
def test_a_strange_time_of_a_signature_is_refused(at):
    """Never a crash."""
    source = Source(name="a", id="1" * 18, token="t" * 68, signing_secret="whsec_not base64!")
    for headers in (
        {"x-grafana-alerting-signature": "ü", "x-grafana-alerting-timestamp": at},
        {"webhook-id": "ü", "webhook-timestamp": at, "webhook-signature": "v1,x"},
        {"x-hub-signature-256": at},
        {},
    ):
        with pytest.raises(NotAllowed):
            refuse_unsigned(source, headers, b"body", NOW)
