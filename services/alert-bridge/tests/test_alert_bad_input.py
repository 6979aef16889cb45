"""What hostile and broken senders get on every route: a status, a sentence, and nothing stored."""

import asyncio
import gzip
import json
import zlib

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alert_bridge.receive import body

DISCORD = ["", "/slack", "/github"]
IN = ["alertmanager", "grafana", "tradingview", "json", "apprise"]
ROUTES = ["/alerts", *(f"/in/{dialect}" for dialect in IN), *(f"webhook{end}" for end in DISCORD)]


def path_of(bridge, route: str) -> str:
    """The path of a route, with this bridge's webhook."""
    return route.replace("webhook", bridge.webhook)


def is_sentence(answer: httpx.Response) -> bool:
    """Whether the answer is JSON with words that help."""
    return answer.headers["content-type"] == "application/json" and len(answer.json()["message"]) > 10


async def test_thirty_mebibytes_are_413(bridge, alerts):
    """On every route the sender reads the answer, and nothing is kept."""
    answers = [
        await bridge.client.post(path_of(bridge, route), content=b"x" * 30 * 1024 * 1024) for route in ROUTES
    ]

    assert {answer.status_code for answer in answers} == {413}
    assert all(is_sentence(answer) for answer in answers)
    assert await alerts() == []


@pytest.mark.parametrize("route", ["/alerts", "/in/apprise", "webhook"])
async def test_thirty_unannounced_mebibytes_are_413(bridge, alerts, route):
    """What does not say how long it is, is read no further than it may be long."""

    async def unannounced():
        for _ in range(30):
            yield b"x" * 1024 * 1024

    answer = await bridge.client.post(path_of(bridge, route), content=unannounced())

    assert (answer.status_code, is_sentence(answer)) == (413, True)
    assert await alerts() == []


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, identity"])
async def test_a_compressed_body_is_415(bridge, alerts, encoding):
    """A zip bomb is never blown up: compressed bodies are not taken, and the sender reads so."""
    blank = b" " * 30_000_000
    bomb = gzip.compress(blank) if encoding.startswith("gzip") else zlib.compress(blank)
    headers = {"Content-Encoding": encoding}

    answers = [
        await bridge.client.post(path_of(bridge, route), content=bomb, headers=headers) for route in ROUTES
    ]

    assert {answer.status_code for answer in answers} == {415}
    assert all("Content-Encoding" in answer.json()["message"] for answer in answers)
    assert await alerts() == []


MULTIPART = (
    "Content-Type: multipart/form-data; boundary=b\r\n",
    '--b\r\nContent-Disposition: form-data; name="content"\r\n\r\n',
)


@pytest.mark.parametrize(
    ("route", "kind", "begin"), [*((route, "", "") for route in ROUTES), ("webhook", *MULTIPART)]
)
async def test_a_body_without_end_is_408(bridge_with, alerts, route, kind, begin):
    """Byte by byte for ever: after the time that was set it is hung up on, with a reason."""
    async with bridge_with(body_within=0.5) as bridge:
        await bridge.until_ready()
        reader, writer = await asyncio.open_connection(
            bridge.client.base_url.host, bridge.client.base_url.port
        )
        head = f"POST {path_of(bridge, route)} HTTP/1.1\r\nHost: localhost\r\n{kind}"
        writer.write(f"{head}Content-Length: 100000\r\n\r\n{begin}".encode())
        answer = asyncio.ensure_future(reader.read(65_536))
        for _ in range(20):  # seldom: what arrives after the end makes the kernel drop the answer
            if not answer.done():
                writer.write(b" ")
                await asyncio.wait([answer], timeout=0.2)
        writer.close()

    said = answer.result()
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in said.lower()
    assert b"did not end within 0.5 seconds" in said
    assert await alerts() == []


@pytest.mark.parametrize("route", ["POST /alerts", "POST /in/json", "POST /in/json/1/x", "GET webhook"])
async def test_an_unwanted_body_without_end_is_hung_up_on(bridge_with, monkeypatch, route):
    """Who is answered before the body is heard for a while only, and then hung up on."""
    monkeypatch.setattr(body, "LINGER_SECONDS", 0.2)
    async with bridge_with(host="0.0.0.0") as bridge:  # noqa: S104 - off loopback a token is needed
        await bridge.until_ready()
        reader, writer = await asyncio.open_connection("127.0.0.1", bridge.client.base_url.port)
        head = f"{path_of(bridge, route)} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n "
        writer.write(head.encode())
        async with asyncio.timeout(5):
            said = await reader.read()
        writer.close()

    assert said.split(b" ")[1] in {b"401", b"404", b"200"}
    assert b"connection: close" in said.lower()


async def test_who_waits_to_be_asked_for_a_body_too_large_is_not_asked(bridge):
    """With `Expect: 100-continue` the refusal comes before the body."""
    reader, writer = await asyncio.open_connection(bridge.client.base_url.host, bridge.client.base_url.port)
    head = b"POST /alerts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30000000\r\n"
    writer.write(head + b"Expect: 100-continue\r\n\r\n")
    async with asyncio.timeout(5):
        said = await reader.read()
    writer.close()

    assert said.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in said


@pytest.mark.parametrize("route", ROUTES)
async def test_a_sender_that_hangs_up_leaves_nothing(bridge, alerts, route):
    """Half a body is no alert."""
    _, writer = await asyncio.open_connection(bridge.client.base_url.host, bridge.client.base_url.port)
    head = f"POST {path_of(bridge, route)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
    writer.write(head.encode() + b'{"content":"x","alert_type":"a","source":"s"}')
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    name = 'baleen_alert_bridge_requests_total{dialect="%s",outcome="unreadable"}'
    spoken = {"/alerts": "json", "webhook": "discord", "/in/json": "any_json"}
    await bridge.until_metric(name % spoken.get(route, route.rpartition("/")[2]), 1)
    assert await alerts() == []
    assert (await bridge.client.get("/livez")).status_code == 200


HTML = "<script>alert(1)</script> & <b>\u0000\u202e</b> {{7*7}} ${x} %s @everyone"


@pytest.mark.parametrize("route", ROUTES)
async def test_html_and_templates_are_only_text(bridge, alerts, route):
    """Kept to the letter, interpreted by nobody, and never in a header of an answer."""
    said = {"content": HTML, "message": HTML, "text": HTML, "alert_type": "a", "source": "bot"}
    said |= {"repository": {"full_name": HTML}} if route.endswith("github") else {}

    answer = await bridge.client.post(path_of(bridge, route), json=said)

    assert answer.status_code < 300
    assert HTML not in str(answer.headers)
    [alert] = await alerts()
    assert HTML in (alert.content or alert.embed["title"])


DEEP = b'{"content":"x","alert_type":"a","source":"s","x":' + b'{"a":' * 300 + b"1" + b"}" * 300 + b"}"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(DEEP, id="deep"),
        pytest.param(b"[" * 100_000, id="brackets"),
        pytest.param(b'{"content":' * 20_000, id="half"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff\xfe\x00", id="bytes"),
        pytest.param(b'{"content":"\\ud800"}', id="surrogate"),
        pytest.param(b'{"content":NaN}', id="nan"),
    ],
)
async def test_nonsense_is_refused_everywhere(bridge, alerts, content):
    """400 or 422 with a sentence; but a text that is no JSON is a text to TradingView."""
    answers = {route: await bridge.client.post(path_of(bridge, route), content=content) for route in ROUTES}

    taken = {route for route, answer in answers.items() if answer.status_code == 200}
    refused = [answer for route, answer in answers.items() if route not in taken]
    assert taken <= {"/in/tradingview"}
    assert {answer.status_code for answer in refused} <= {400, 422}
    assert all(answer.json()["message"] for answer in refused)
    whole = [alert.labels.get("raw", alert.content).encode() for alert in await alerts()]
    assert whole == [content] * len(taken)


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer",
        "Basic",
        "Basic !!!",
        "Basic " + "A" * 10_000,
        "Basic /w==",
        "Digest x",
        "Bearer \xff",
    ],
)
async def test_strange_credentials_are_401(bridge_with, authorization):
    """Whatever is shown instead of a token."""
    async with bridge_with(host="0.0.0.0") as bridge:  # noqa: S104 - that is what is tested; the port is random
        await bridge.until_ready()
        headers = {"Authorization": authorization.encode("latin-1")}
        answers = [
            await bridge.client.post(path, json={"message": "x"}, headers=headers)
            for path in ("/alerts", "/in/json")
        ]

    assert {answer.status_code for answer in answers} == {401}


async def test_a_form_of_a_million_fields_is_refused(bridge, alerts):
    """A form and a multipart message have a bound on their fields."""
    form = await bridge.client.post(
        bridge.webhook,
        content=b"&".join(b"a%d=1" % number for number in range(20_000)),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    parts = await bridge.client.post(bridge.webhook, files=[(f"files[{n}]", ("a", b"x")) for n in range(200)])

    assert (form.status_code, parts.status_code) == (400, 400)
    assert await alerts() == []


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
NAMES = """content embeds message text title alerts labels attachments blocks commits repository action id
type severity symbol embed more_embeds url occurred_at alert_type source fields ts ticker payload tts"""
names = st.sampled_from(NAMES.split())
bodies = st.one_of(
    st.dictionaries(names, json_values, max_size=6).map(lambda said: json.dumps(said).encode()),
    st.dictionaries(
        st.just("alerts"), st.lists(st.dictionaries(names, json_values, max_size=4), max_size=3), max_size=1
    ).map(lambda said: json.dumps(said).encode()),
    json_values.map(lambda said: json.dumps(said).encode()),
    st.binary(max_size=100),
)
kinds = st.sampled_from(
    [
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=b",
        "",
        "\xff",
    ]
)
headers = st.fixed_dictionaries(
    {"Content-Type": kinds.map(lambda kind: kind.encode("latin-1"))},
    optional={
        name: st.text(
            st.characters(min_codepoint=128, max_codepoint=255) | st.sampled_from("a1-:%{"), max_size=20
        ).map(lambda text: text.encode("latin-1"))
        for name in ("Idempotency-Key", "webhook-id", "X-GitHub-Event", "X-GitHub-Delivery")
    },
)


@pytest.mark.parametrize("route", ROUTES)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=bodies, extra=headers, wait=st.sampled_from(["", "?wait=true", "?wait=x&thread_id=%ff"]))
async def test_no_body_breaks_a_route(bridge, route, content, extra, wait):
    """Whatever comes, it is stored or refused with a reason: never 5xx, and the connection goes on."""
    answer = await bridge.client.post(path_of(bridge, route) + wait, content=content, headers=extra)

    assert answer.status_code in {200, 202, 204, 400, 422}
    assert answer.status_code < 300 or answer.json()["message"]
