"""The Discord-compatible webhook over a real socket, as the client libraries read it."""

import json

import pytest


async def test_without_wait_the_answer_is_empty(bridge, alerts):
    """204 and no body, for clients that compare with 204."""
    answer = await bridge.client.post(bridge.webhook, json={"content": "hello"})

    assert (answer.status_code, answer.content) == (204, b"")
    assert int(answer.headers["x-ratelimit-remaining"]) > 0
    alert = (await alerts())[-1]
    assert (alert.content, alert.source, alert.alert_type) == ("hello", "bot", "discord")


@pytest.mark.parametrize("wait", ["true", "True", "1"])
async def test_with_wait_the_answer_is_the_message(bridge, alerts, wait):
    """200, exactly application/json, and every key that a client library reads."""
    embed = {"title": "T", "footer": None, "type": "rich", "flags": 0}
    body = {"content": "hi", "embeds": [embed], "username": "Bot"}

    answer = await bridge.client.post(f"{bridge.webhook}?wait={wait}&with_components=0", json=body)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    message = answer.json()
    assert {"id", "type", "content", "channel_id", "author", "attachments", "embeds", "timestamp"} <= set(
        message
    )
    assert message["embeds"] == [{"title": "T", "type": "rich", "flags": 0}]
    alert = (await alerts())[-1]
    assert message["id"] == alert.id
    assert alert.embed == embed
    assert alert.labels == {"discord.username": "Bot"}
    assert alert.title == "T"


@pytest.mark.parametrize("version", ["v6", "v7", "v8", "v9", "v10"])
async def test_every_api_version_is_the_same(bridge, version):
    """Clients write a version into the path."""
    path = bridge.webhook.replace("/api/", f"/api/{version}/")

    assert (await bridge.client.post(path, json={"content": "x"})).status_code == 204
    shown = await bridge.client.get(path)
    assert (shown.status_code, shown.json()["id"], shown.json()["type"]) == (200, bridge.source.id, 1)


async def test_an_unknown_webhook_is_404(bridge):
    """Code 10015 for a wrong id, a wrong token, another version: no difference to learn from."""
    token, webhook_id = bridge.source.token, bridge.source.id
    paths = [
        f"/api/webhooks/{webhook_id}/{'x' * 68}",
        f"/api/webhooks/{'1' * 18}/{token}",
        f"/api/v11/webhooks/{webhook_id}/{token}",
        f"/api/webhooks/{webhook_id}/%FF",
    ]

    answers = [await bridge.client.post(path, json={"content": "x"}) for path in paths]
    answers.append(await bridge.client.get(paths[0]))

    assert {answer.status_code for answer in answers} == {404}
    assert {answer.content for answer in answers} == {b'{"message":"Unknown Webhook","code":10015}'}
    assert {answer.headers["content-type"] for answer in answers} == {"application/json"}


@pytest.mark.parametrize(
    "body", [{}, {"content": None}, {"content": "  "}, {"embeds": []}, {"embeds": [{}]}, {"username": "x"}]
)
async def test_an_empty_message_is_50006(bridge, body):
    """Nothing to say is refused as Discord refuses it."""
    answer = await bridge.client.post(bridge.webhook, json=body)

    assert (answer.status_code, answer.json()) == (
        400,
        {"message": "Cannot send an empty message", "code": 50006},
    )


@pytest.mark.parametrize(
    ("body", "path"),
    [
        pytest.param({"content": {"a": 1}}, ["content"], id="content"),
        pytest.param({"embeds": "x"}, ["embeds"], id="embeds"),
        pytest.param({"embeds": [{"title": "a"}, 5]}, ["embeds", "1"], id="second-embed"),
        pytest.param({"embeds": [{"title": "a"}] * 11}, ["embeds"], id="eleven-embeds"),
        pytest.param({"content": "x" * 20_001}, ["content"], id="more-than-an-alert-holds"),
    ],
)
async def test_a_wrong_field_is_50035(bridge, body, path):
    """The errors are nested by field, as clients build their message from them."""
    answer = await bridge.client.post(bridge.webhook, json=body)

    node = answer.json()["errors"]
    for part in path:
        node = node[part]
    assert (answer.status_code, answer.json()["code"]) == (400, 50035)
    assert node["_errors"][0]["message"]
    assert answer.headers["via"]


async def test_text_over_discords_limits_is_stored_whole(bridge, alerts):
    """Discord would drop the message; the bus keeps all of it."""
    embed = {"description": "d" * 9_000, "fields": [{"name": "n", "value": "v" * 2_000}] * 30}

    answer = await bridge.client.post(bridge.webhook, json={"content": "c" * 5_000, "embeds": [embed]})

    alert = (await alerts())[-1]
    assert (answer.status_code, len(alert.content), alert.embed) == (204, 5_000, embed)


async def test_a_multipart_message_keeps_its_text_and_names_its_files(bridge, alerts):
    """`payload_json` is the message; a file is named with its size, its bytes are not kept."""
    payload = {
        "content": "see file",
        "embeds": [{"title": "E"}],
        "attachments": [{"id": 0, "filename": "a.txt"}],
    }
    files = {"files[0]": ("a.txt", b"12345", "text/plain")}

    answer = await bridge.client.post(
        f"{bridge.webhook}?wait=true", data={"payload_json": json.dumps(payload)}, files=files
    )

    alert = (await alerts())[-1]
    assert answer.status_code == 200
    assert answer.json()["attachments"][0]["filename"] == "a.txt"
    assert (alert.content, alert.embed) == ("see file", {"title": "E"})
    kept = json.loads(alert.labels["discord.attachments"])
    assert {"filename": "a.txt", "content_type": "text/plain", "size": 5} in kept


async def test_a_file_alone_is_a_message(bridge):
    """A picture without words is not empty."""
    assert (await bridge.client.post(bridge.webhook, files={"file": ("p.png", b"x")})).status_code == 204


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        pytest.param(b"content=hello+there&tts=false", "application/x-www-form-urlencoded", id="form"),
        pytest.param(
            b'payload_json={"content":"hello there"}', "application/x-www-form-urlencoded", id="form-json"
        ),
        pytest.param(b'{"content":"hello there"}', "application/x-www-form-urlencoded", id="curl-d"),
        pytest.param(b'{"content":"hello there"}', "application/json; charset=utf-8", id="charset"),
        pytest.param(b'{"content":"hello there"}', "", id="no-type"),
    ],
)
async def test_a_message_may_come_in_any_usual_form(bridge, alerts, content, kind):
    """Forms, a charset in the type, or no type at all."""
    answer = await bridge.client.post(
        bridge.webhook, content=content, headers={"Content-Type": kind} if kind else {}
    )

    assert answer.status_code == 204
    assert (await alerts())[-1].content == "hello there"


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [
        pytest.param(b"{", "application/json", 50109, id="broken-json"),
        pytest.param(b"[]", "application/json", 50035, id="no-object"),
        pytest.param(b"x", "multipart/form-data", 50035, id="no-boundary"),
        pytest.param(b"x", "multipart/form-data; boundary=b", 50035, id="broken-multipart"),
        pytest.param(b"\xff=\xff", "application/x-www-form-urlencoded", 50006, id="broken-form"),
    ],
)
async def test_garbage_is_answered_in_discords_words(bridge, content, kind, code):
    """400 with a code, never a crash."""
    answer = await bridge.client.post(bridge.webhook, content=content, headers={"Content-Type": kind})

    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_too_much_is_40005(bridge_with):
    """JSON and multipart have each their limit."""
    async with bridge_with(max_upload_bytes=50_000) as bridge:
        await bridge.until_ready()
        large = await bridge.client.post(bridge.webhook, json={"content": "x" * 300_000})
        files = {"file": ("a.bin", b"x" * 100_000)}
        upload = await bridge.client.post(bridge.webhook, files=files)

    assert [(answer.status_code, answer.json()["code"]) for answer in (large, upload)] == [(413, 40005)] * 2


async def test_a_key_dedupes_here_too(bridge):
    """The same message object comes back for the same key."""
    headers = {"Idempotency-Key": "k-1"}
    path = f"{bridge.webhook}?wait=true"

    ids = {
        (await bridge.client.post(path, json={"content": "x"}, headers=headers)).json()["id"]
        for _ in range(2)
    }

    assert len(ids) == 1
    assert (
        await bridge.metric('baleen_alert_bridge_requests_total{dialect="discord",outcome="duplicate"}') == 1
    )


async def test_a_retried_message_keeps_its_key(bridge, alerts):
    """The alert holds the sender's key as its id; the message object has an id of Discord's shape."""
    answer = await bridge.client.post(
        f"{bridge.webhook}?wait=true", json={"content": "x"}, headers={"Idempotency-Key": "k-1"}
    )

    assert [alert.id for alert in await alerts()] == ["k-1"]
    assert 17 <= len(answer.json()["id"]) <= 19
    assert answer.json()["id"].isdigit()


def nested(depth: int) -> bytes:
    """An object of that many levels."""
    return b'{"a":' * depth + b"1" + b"}" * depth


@pytest.mark.parametrize("field", ["embeds", "allowed_mentions"])
async def test_a_message_nested_too_deep_is_50035(bridge, alerts, field):
    """More than 64 levels are refused by the field's name; what is stored can be read back."""
    path = bridge.webhook

    def message(levels: int) -> bytes:
        return b'{"content":"x","%b":[%b]}' % (field.encode(), nested(levels - 2))

    taken = await bridge.client.post(path, content=message(64))
    refused = [await bridge.client.post(path, content=message(levels)) for levels in (65, 202, 240, 300, 900)]

    assert taken.status_code == 204
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(400, 50035)}
    assert all("64 levels" in answer.json()["errors"][field]["_errors"][0]["message"] for answer in refused)
    assert len(await alerts()) == 1


def multipart(part: bytes, charset: str) -> dict:
    """A request of one part."""
    kind = f"multipart/form-data; boundary=b; charset={charset}"
    content = b"--b\r\nContent-Disposition: form-data; " + part + b"\r\n--b--\r\n"
    return {"content": content, "headers": {"Content-Type": kind}}


@pytest.mark.parametrize("charset", ["unicode_escape", "utf-7", "latin-1", "utf-8", "nonsense"])
async def test_multipart_is_always_utf_8(bridge, alerts, charset):
    """Whatever charset the sender names, texts are read as UTF-8, and escapes are only letters."""
    file = multipart('name="file"; filename="ä\\ud800.txt"\r\n\r\nx'.encode(), charset)
    text = multipart('name="content"\r\n\r\nä\\ud800 +2AA-'.encode(), charset)

    answers = [await bridge.client.post(f"{bridge.webhook}?wait=true", **sent) for sent in (file, text)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["attachments"][0]["filename"] == "ä\\ud800.txt"
    assert (await alerts())[-1].content == "ä\\ud800 +2AA-"


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(b'name="content"\r\n\r\n\xff', id="text"),
        pytest.param(b'name="\xff"\r\n\r\nx', id="name"),
        pytest.param(b'name="file"; filename="\xed\xa0\x80"\r\n\r\nx', id="filename"),
    ],
)
@pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
async def test_multipart_that_is_not_utf_8_is_50035(bridge, alerts, part, charset):
    """Nothing is guessed."""
    answer = await bridge.client.post(bridge.webhook, **multipart(part, charset))

    assert (answer.status_code, answer.json()["code"]) == (400, 50035)
    assert await alerts() == []
