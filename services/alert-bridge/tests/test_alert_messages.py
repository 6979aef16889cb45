"""A webhook's stored messages over a real socket: read, edited, deleted."""

import json

import pytest

from alert_bridge.receive.sources import add_source


@pytest.fixture
async def posted(bridge):
    """A message with an embed, and the path where it is."""
    body = {"content": "hello", "embeds": [{"title": "T"}], "username": "Bot", "tts": True}
    message = (await bridge.client.post(f"{bridge.webhook}?wait=true", json=body)).json()
    return message, f"{bridge.webhook}/messages/{message['id']}"


async def test_a_message_is_read_as_it_was_posted(bridge, posted):
    """The same object that the post was answered with, time included."""
    message, path = posted

    shown = await bridge.client.get(path)

    assert (shown.status_code, shown.headers["content-type"]) == (200, "application/json")
    assert shown.json() == message


async def test_an_edit_is_an_alert_of_its_own(bridge, posted, alerts):
    """It names its message and that message's number; what it does not mention stays."""
    message, path = posted

    edited = await bridge.client.patch(path, json={"content": "goodbye"})

    assert edited.status_code == 200
    assert edited.json()["edited_timestamp"]
    told = {"content": "goodbye", "id": message["id"], "embeds": [{"type": "rich", "title": "T"}]}
    assert edited.json() | told == edited.json()
    first, second = await alerts()
    assert (second.content, second.embed, second.source) == ("goodbye", first.embed, first.source)
    assert second.labels == {
        "discord.username": "Bot",
        "discord.tts": "true",
        "discord.edits": message["id"],
        "discord.edits_seq": "1",
    }


async def test_every_edit_builds_on_the_one_before(bridge, posted, alerts):
    """Twenty edits are twenty alerts, and the message is what the last made of it."""
    _, path = posted
    for number in range(20):
        assert (await bridge.client.patch(path, json={"content": f"step {number}"})).status_code == 200
    await bridge.client.patch(path, json={"embeds": []})

    shown = (await bridge.client.get(path)).json()

    assert (shown["content"], shown["embeds"]) == ("step 19", [])
    assert len(await alerts()) == 22


async def test_a_deleted_message_is_gone(bridge, posted, alerts):
    """204 once; then it is unknown, though the stream has what was said and that it was deleted."""
    message, path = posted

    gone = await bridge.client.delete(path)
    after = [await bridge.client.request(method, path, json={}) for method in ("GET", "PATCH", "DELETE")]

    assert (gone.status_code, gone.content) == (204, b"")
    assert {(answer.status_code, answer.json()["code"]) for answer in after} == {(404, 10008)}
    assert (await alerts())[-1].labels == {"discord.deletes": message["id"], "discord.edits_seq": "1"}


@pytest.mark.parametrize("number", ["1" * 18, "0", "x", "%C2%B2", "1" * 40])
async def test_what_is_no_message_is_10008(bridge, number):
    """In Discord's words, whatever it looks like."""
    answer = await bridge.client.get(f"{bridge.webhook}/messages/{number}")

    assert (answer.status_code, answer.json()) == (404, {"message": "Unknown Message", "code": 10008})


async def test_another_webhooks_message_is_unknown(bridge, posted, tmp_path):
    """A token opens its own messages alone."""
    message, _ = posted
    other = add_source(tmp_path / "sources.json", "other")
    path = f"/api/webhooks/{other.id}/{other.token}"
    await bridge.until_known(path)

    answer = await bridge.client.patch(f"{path}/messages/{message['id']}", json={"content": "x"})

    assert (answer.status_code, answer.json()["code"]) == (404, 10008)


async def test_a_message_with_a_key_is_found_by_the_number_it_was_told(bridge):
    """The alert's id is the sender's key; its message id is a number."""
    headers = {"Idempotency-Key": "k-1"}
    message = (
        await bridge.client.post(f"{bridge.webhook}?wait=1", json={"content": "x"}, headers=headers)
    ).json()

    shown = await bridge.client.get(f"{bridge.webhook}/messages/{message['id']}")

    assert (shown.status_code, shown.json()["content"]) == (200, "x")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param({"content": None, "embeds": None}, 50006, id="nothing-left"),
        pytest.param({"embeds": 5}, 50035, id="wrong-kind"),
        pytest.param({"content": "x" * 20_001}, 50035, id="more-than-an-alert-holds"),
    ],
)
async def test_a_wrong_edit_changes_nothing(bridge, posted, alerts, body, code):
    """400 in Discord's words, and the message is as it was."""
    message, path = posted

    answer = await bridge.client.patch(path, json=body)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert len(await alerts()) == 1
    assert (await bridge.client.get(path)).json() == message


async def test_an_edit_may_bring_files(bridge, posted):
    """Multipart works here as for a post; files are named."""
    _, path = posted

    answer = await bridge.client.patch(
        path, data={"payload_json": json.dumps({"content": "y"})}, files={"files[0]": ("a.txt", b"123")}
    )

    assert answer.status_code == 200
    assert [file["filename"] for file in answer.json()["attachments"]] == ["a.txt"]


async def test_without_the_bus_it_says_come_back(bridge, posted, nats_server):
    """503 and not 404: the message is there, it only cannot be looked at."""
    _, path = posted
    nats_server.kill()

    answers = [await bridge.client.get(path), await bridge.client.patch(path, json={"content": "x"})]
    nats_server.restart()

    assert [answer.status_code for answer in answers] == [503, 503]
    assert all(answer.headers["retry-after"] for answer in answers)
