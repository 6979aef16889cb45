"""What a message may be: each limit at its edge, in Discord's words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discord_simulator.embeds import size
from discord_simulator.validation import check_message, is_empty


def wrong(payload: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The nested errors of *payload*."""
    problems = check_message(payload, **more)
    return problems.body(10)["errors"] if problems.found else {}


def too_long(most: int) -> dict[str, Any]:
    """The error of a text that is too long."""
    told = {"code": "BASE_TYPE_MAX_LENGTH", "message": f"Must be {most} or fewer in length."}
    return {"_errors": [told]}


FIELD = {"name": "n", "value": "v"}
EDGES = [
    (lambda n: {"content": "x" * n}, 2000, ("content",)),
    (lambda n: {"embeds": [{"title": "x" * n}]}, 256, ("embeds", "0", "title")),
    (lambda n: {"embeds": [{"description": "x" * n}]}, 4096, ("embeds", "0", "description")),
    (lambda n: {"embeds": [{}, {"footer": {"text": "x" * n}}]}, 2048, ("embeds", "1", "footer", "text")),
    (lambda n: {"embeds": [{"author": {"name": "x" * n}}]}, 256, ("embeds", "0", "author", "name")),
    (lambda n: {"embeds": [{"fields": [{**FIELD, "name": "x" * n}]}]}, 256,
     ("embeds", "0", "fields", "0", "name")),
    (lambda n: {"embeds": [{"fields": [FIELD, {**FIELD, "value": "x" * n}]}]}, 1024,
     ("embeds", "0", "fields", "1", "value")),
    (lambda n: {"embeds": [{"fields": [FIELD] * n}]}, 25, ("embeds", "0", "fields")),
    (lambda n: {"embeds": [{"title": "x"}] * n}, 10, ("embeds",)),
    (lambda n: {"allowed_mentions": {"users": ["1"] * n}}, 100, ("allowed_mentions", "users")),
]  # fmt: skip


@pytest.mark.parametrize(("make", "most", "path"), EDGES, ids=[".".join(path) for *_, path in EDGES])
def test_a_limit_holds_at_its_edge(make: Any, most: int, path: tuple[str, ...]):
    """Exactly so many pass; one more is named where it is."""
    assert wrong(make(most)) == {}
    told = wrong(make(most + 1))
    for part in path:
        told = told[part]
    assert told == too_long(most)


def test_all_embeds_together_have_six_thousand():
    """The embed that makes it too much is named; blanks around texts do not count."""
    embeds = [{"description": "x" * 4000}, {"description": " " * 50 + "x" * 2000}]
    assert wrong({"embeds": embeds}) == {}

    message = {
        "code": "MAX_EMBED_SIZE_EXCEEDED",
        "message": "Embed size exceeds maximum size of 6000",
    }
    assert wrong({"embeds": [*embeds, {"title": "x"}]}) == {"embeds": {"2": {"_errors": [message]}}}


_text = st.text(max_size=40)
_embed = st.fixed_dictionaries(
    {},
    optional={
        "title": _text,
        "description": _text,
        "footer": st.fixed_dictionaries({"text": _text}),
        "author": st.fixed_dictionaries({"name": _text}),
        "fields": st.lists(st.fixed_dictionaries({"name": _text, "value": _text}), max_size=4),
    },
)


@given(_embed)
def test_the_sum_is_over_every_text_that_counts(embed: dict[str, Any]):
    """Title, description, fields, footer and author; each trimmed, in UTF-16 units."""
    texts = [embed.get("title", ""), embed.get("description", "")]
    texts += [embed.get("footer", {}).get("text", ""), embed.get("author", {}).get("name", "")]
    texts += [field[part] for field in embed.get("fields", []) for part in ("name", "value")]

    assert size(embed) == sum(len(text.strip().encode("utf-16-le")) // 2 for text in texts)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
_names = st.sampled_from(["content", "embeds", "username", "flags", "allowed_mentions"])
_embed_names = st.sampled_from(["title", "url", "color", "timestamp", "fields", "footer", "image", "author"])


@given(
    st.dictionaries(_names, _json)
    | st.fixed_dictionaries({"embeds": st.lists(st.dictionaries(_embed_names, _json), max_size=12)})
)
def test_no_message_is_too_odd_to_be_judged(payload: dict[str, Any]):
    """Whatever is sent, it is found right or wrong, in either way of telling."""
    problems = check_message(payload)

    assert problems.body(10)["code"] == 50035
    assert bool(problems.body(6)) == bool(problems.found)
    is_empty(payload)


CASES = [
    ({"username": "My Discord bot"}, ("username",), "USERNAME_INVALID_CONTAINS"),
    ({"username": "clyde"}, ("username",), "USERNAME_INVALID_CONTAINS"),
    ({"username": "x" * 81}, ("username",), "BASE_TYPE_BAD_LENGTH"),
    ({"username": " "}, ("username",), "BASE_TYPE_BAD_LENGTH"),
    ({"content": ["x"]}, ("content",), "STRING_TYPE_CONVERT"),
    ({"embeds": {"title": "x"}}, ("embeds",), "LIST_TYPE_CONVERT"),
    ({"embeds": ["x"]}, ("embeds", "0"), "MODEL_TYPE_CONVERT"),
    ({"embeds": [{"fields": [{"name": "n", "value": " "}]}]}, ("embeds", "0", "fields", "0", "value"),
     "BASE_TYPE_REQUIRED"),
    ({"embeds": [{"url": "ftp://x"}]}, ("embeds", "0", "url"), "URL_TYPE_INVALID_SCHEME"),
    ({"embeds": [{"image": {"url": "nowhere"}}]}, ("embeds", "0", "image", "url"), "URL_TYPE_INVALID_URL"),
    ({"embeds": [{"color": "red"}]}, ("embeds", "0", "color"), "NUMBER_TYPE_COERCE"),
    ({"embeds": [{"color": 16777216}]}, ("embeds", "0", "color"), "NUMBER_TYPE_MAX"),
    ({"embeds": [{"timestamp": "noon"}]}, ("embeds", "0", "timestamp"), "DATE_TIME_TYPE_PARSE"),
    ({"flags": 1}, ("flags",), "MESSAGE_FLAGS_INVALID"),
    ({"flags": 1 << 15, "content": "x"}, ("content",), "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"),
    ({"allowed_mentions": {"parse": ["all"]}}, ("allowed_mentions", "parse", "0"), "BASE_TYPE_CHOICES"),
    ({"allowed_mentions": {"parse": ["users"], "users": ["1"]}}, ("allowed_mentions",),
     "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE"),
]  # fmt: skip


@pytest.mark.parametrize(("payload", "path", "code"), CASES, ids=[f"{c[2]}-{c[1][-1]}" for c in CASES])
def test_each_fault_has_its_own_code(payload: dict[str, Any], path: tuple[str, ...], code: str):
    """Nested where the field is."""
    told = wrong(payload)
    for part in path:
        told = told[part]
    assert told["_errors"][0]["code"] == code


def test_what_webhooks_may_send_passes():
    """Nulls, unknown words, times with Z, silent messages, attachments as images."""
    embed = {
        "title": "x",
        "description": None,
        "type": "rich",
        "timestamp": "2026-01-02T03:04:05.678Z",
        "image": {"url": "attachment://chart.png"},
        "color": "255",
        "whatever": {"x": 1},
    }
    assert wrong({"embeds": [embed], "flags": 1 << 12, "content": None, "tts": False}) == {}


def test_before_version_eight_nobody_is_told_why():
    """The number of the embed, and no more."""
    problems = check_message({"embeds": [{}, {"title": "x" * 300}], "content": "x" * 2001})

    assert problems.body(6) == {"content": ["Must be 2000 or fewer in length."], "embeds": ["1"]}


@pytest.mark.parametrize("nothing", [{}, {"content": " \n"}, {"embeds": []}, {"username": "x"}])
def test_a_message_says_something(nothing: dict[str, Any]):
    """Content, embeds, components, a poll or a file."""
    assert is_empty(nothing)
    assert not is_empty(nothing, files=1)
    assert not is_empty({**nothing, "embeds": [{}]})
