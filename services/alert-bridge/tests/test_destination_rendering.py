"""From alerts to messages: whatever an alert holds, no message breaks a limit, and nothing goes unmarked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from alert_bridge.carried import Carried
from alert_bridge.destinations.destination import Packed
from alert_bridge.destinations.discord_envelope import name_of
from alert_bridge.destinations.discord_message import pack
from alert_bridge.destinations.discord_text import cut, link_of, units
from alert_bridge.destinations.spec import DiscordSpec
from baleen_contracts.alert import Alert, Severity

NOW = datetime(2026, 4, 27, 14, 31, 2, tzinfo=UTC)
URL = SecretStr("https://discord.com/api/webhooks/1/x")
SPEC = DiscordSpec(type="discord", url=URL)
UNMARKED = DiscordSpec(type="discord", url=URL, mark_ids=False)


def carried(seq: int = 1, **said: Any) -> Carried:
    """An alert as a worker offers it."""
    fields = {"id": f"id-{seq}", "alert_type": "dp_alert", "source": "bot", "occurred_at": NOW, **said}
    return Carried(seq, Alert(**fields), NOW)


def packed(*waiting: Carried, spec: DiscordSpec = SPEC, digest: bool = False) -> Packed:
    """The next message."""
    return pack(waiting, spec, digest=digest)


def payload(*waiting: Carried, spec: DiscordSpec = SPEC, digest: bool = False) -> dict[str, Any]:
    """What the next message says."""
    return dict(packed(*waiting, spec=spec, digest=digest).body.payload)


def length(text: str) -> int:
    """As Discord counts in the worst case: UTF-16 units, after trimming."""
    return len(text.strip().encode("utf-16-le")) // 2


def over(what: str, text: Any, most: int) -> list[str]:
    """A text that Discord refuses: none at all, or too long."""
    sound = isinstance(text, str) and 1 <= length(text) <= most
    return [] if sound else [f"{what}: {text!r:.40}"]


def problems(message: dict[str, Any]) -> list[str]:
    """What Discord would refuse of *message*, or not show, after its documentation."""
    embeds = message.get("embeds", [])
    found = [] if message.get("content") or embeds else ["empty"]
    found += over("content", message.get("content", "x"), 2000)
    found += over("username", message.get("username", "x"), 80)
    found += [word for word in ("discord", "clyde") if word in message.get("username", "").lower()]
    found += ["embeds"] if len(embeds) > 10 else []
    links = [embed["url"] for embed in embeds if "url" in embed]
    found += ["equal links"] if len(links) != len(set(links)) else []
    total = sum(length(text) for embed in embeds for text in counted(embed))
    found += [f"total {total}"] if total > 6000 else []
    return found + [problem for embed in embeds for problem in embed_problems(embed)]


def counted(embed: dict[str, Any]) -> list[str]:
    """The texts that count towards a message's total."""
    texts = [embed.get("title", ""), embed.get("description", "")]
    texts += [embed.get("footer", {}).get("text", ""), embed.get("author", {}).get("name", "")]
    return texts + [field[part] for field in embed.get("fields", []) for part in ("name", "value")]


def embed_problems(embed: dict[str, Any]) -> list[str]:
    """What Discord would refuse of one embed."""
    known = {"title", "description", "url", "color", "timestamp", "author", "fields", "image", "thumbnail"}
    sound = embed.keys() - {"url", "color", "timestamp"} and not embed.keys() - known - {"footer"}
    found = [] if sound else [f"keys: {sorted(embed)}"]
    found += over("title", embed.get("title", "x"), 256) + over(
        "description", embed.get("description", "x"), 4096
    )
    found += over("footer", embed.get("footer", {"text": "x"}).get("text"), 2048)
    found += over("author", embed.get("author", {"name": "x"}).get("name"), 256)
    found += ["fields"] if len(embed.get("fields", [])) > 25 else []
    for field in embed.get("fields", []):
        found += over("name", field.get("name"), 256) + over("value", field.get("value"), 1024)
        sound = not field.keys() - {"name", "value", "inline"} and type(field.get("inline", True)) is bool
        found += [] if sound else ["field"]
    links = [embed[name].get("url") for name in ("image", "thumbnail") if name in embed]
    links += [embed.get(outer, {}).get("icon_url", "https://x.y") for outer in ("footer", "author")]
    links += [embed.get("url", "https://x.y"), embed.get("author", {}).get("url", "https://x.y")]
    found += [f"link {link!r:.40}" for link in links if not re.match(r"https?://\S{3,2040}\Z", link)]
    colour = embed.get("color", 0)
    found += [] if type(colour) is int and 0 <= colour <= 0xFFFFFF else ["color"]
    datetime.fromisoformat(embed.get("timestamp", "2026-04-27"))
    return found


def test_the_checker_of_this_file_sees_what_discord_refuses():
    """Each limit has an example that is over it."""
    refused: list[dict[str, Any]] = [
        {},
        {"content": "x" * 2001},
        {"content": "😀" * 1001},
        {"embeds": [{"title": "a"}] * 11},
        {"embeds": [{"title": "x" * 257}]},
        {"embeds": [{"color": 1}]},
        {"embeds": [{"fields": [{"name": "", "value": "x"}]}]},
        {"embeds": [{"description": "x" * 4000}, {"description": "x" * 2001}]},
        {"embeds": [{"title": "a", "url": "https://a.b"}] * 2},
        {"embeds": [{"title": "a", "image": {"url": "attachment://a.png"}}]},
        {"content": "a", "username": "My Discord"},
    ]

    assert [message for message in refused if not problems(message)] == []
    assert problems({"content": "fine", "embeds": [{"title": "fine"}]}) == []


words = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["", " ", "\n", "\u200b", "x", "😀" * 40]),
    st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=7), st.sampled_from([100, 900])),
)
junk = st.one_of(st.none(), st.booleans(), st.integers(-5, 2**30), words, st.lists(st.none(), max_size=2))
links = st.one_of(
    st.sampled_from(["https://a.b/c", "https://a.b/d", "attachment://x.png", "/d", "https://" + "x" * 3000]),
    junk,
)
fields = st.lists(
    st.one_of(
        st.fixed_dictionaries({}, optional={"name": st.one_of(words, junk), "value": st.one_of(words, junk)}),
        st.fixed_dictionaries({"name": words, "value": words, "inline": junk}),
        junk,
    ),
    max_size=40,
)
embeds = st.fixed_dictionaries(
    {},
    optional={
        "title": st.one_of(words, junk),
        "description": st.one_of(words, junk),
        "url": links,
        "color": st.one_of(
            st.integers(-(2**63), 2**64 - 1), st.sampled_from(["#ff0000", "255", "0xzz"]), junk
        ),
        "timestamp": st.one_of(st.sampled_from(["2026-04-27T14:31:02Z", "today"]), junk),
        "author": st.one_of(st.fixed_dictionaries({"name": words, "url": links}), junk),
        "footer": st.one_of(st.fixed_dictionaries({"text": words, "icon_url": links}), junk),
        "image": st.one_of(st.fixed_dictionaries({"url": links}), junk),
        "thumbnail": st.one_of(st.fixed_dictionaries({"url": links}), junk),
        "fields": st.one_of(fields, junk),
        "type": st.just("rich"),
        "provider": junk,
    },
)
labels = st.dictionaries(
    st.sampled_from(
        [
            "discord.username",
            "discord.avatar_url",
            "discord.thread_name",
            "discord.thread_id",
            "discord.attachments",
            "discord.flags",
            "discord.tts",
            "discord.allowed_mentions",
            "region",
            "x" * 300,
        ]
    ),
    st.one_of(words, st.sampled_from(["Discord Clyde", "12", "true", "[{}]", '{"parse": ["users", 1]}'])),
    max_size=4,
)


@st.composite
def alerts(draw: st.DrawFn, ids: st.SearchStrategy[str] | None = None) -> dict[str, Any]:
    """What an alert may hold, valid by the contract alone."""
    given_ = {
        "title": draw(st.one_of(st.none(), words.map(lambda text: text[:1000]))),
        "content": draw(st.one_of(st.none(), words)),
        "embed": draw(st.one_of(st.none(), embeds)),
        "more_embeds": draw(st.lists(embeds, max_size=3)),
        "url": draw(st.one_of(st.none(), st.sampled_from(["https://a.b/c", "x y"]))),
        "symbol": draw(st.sampled_from([None, "SPY"])),
        "severity": draw(st.sampled_from([None, *Severity, "mad"])),
        "labels": draw(labels),
    }
    if ids is not None:
        given_["id"] = draw(ids)
    return given_


specs = st.builds(
    DiscordSpec,
    type=st.just("discord"),
    url=st.just(URL),
    mentions=st.sampled_from(["none", "users", "as_sent"]),
    mark_ids=st.booleans(),
    silent_below=st.sampled_from([None, Severity.WARNING]),
)


@settings(max_examples=80)
@given(alerts(ids=st.sampled_from(["7", "x" * 200])), st.lists(alerts(), max_size=6), specs, st.booleans())
def test_no_message_breaks_a_limit(
    first: dict[str, Any], more: Sequence[dict[str, Any]], spec: DiscordSpec, digest: bool
):
    """Not the message and not the plain one that replaces it, whatever was sent and however it is packed."""
    waiting = [carried(**first), *(carried(seq, **one) for seq, one in enumerate(more, 2))]

    message = pack(waiting, spec, digest=digest)

    assert 1 <= message.covers <= len(waiting)
    assert not digest or message.covers == len(waiting)
    assert problems(dict(message.body.payload)) == []
    assert message.plain is None or problems(dict(message.plain.payload)) == []
    assert message == pack(waiting, spec, digest=digest)


def texts_in(message: dict[str, Any]) -> str:
    """All that people read of *message*, in the order in which they do."""
    parts = [message.get("content", "")]
    for embed in message.get("embeds", []):
        parts += [embed.get("author", {}).get("name", ""), embed.get("title", "")]
        parts += [embed.get("description", ""), embed.get("url", "")]
        for field in embed.get("fields", []):
            parts += [field["name"], field["value"]]
        parts += [embed.get("footer", {}).get("text", "")]
    return "\n".join(parts)


def said_by(embed: dict[str, Any]) -> list[str]:
    """The texts of a sender's sound embed."""
    parts = [embed.get("title"), embed.get("description"), embed.get("url")]
    for field in embed.get("fields", []):
        parts += [field["name"], field["value"]]
    parts += [embed.get("footer", {}).get("text"), embed.get("author", {}).get("name")]
    return [part.strip() for part in parts if part and part.strip()]


sound = st.builds(
    lambda text, times: text * times, st.text("ab😀 \n", min_size=1, max_size=8), st.integers(1, 400)
)
sound_embeds = st.fixed_dictionaries(
    {"title": st.just("t")},
    optional={
        "description": sound,
        "url": st.sampled_from(["https://a.b/c", "https://a.b/d"]),
        "fields": st.lists(st.fixed_dictionaries({"name": sound, "value": sound}), max_size=35),
        "footer": st.fixed_dictionaries({"text": sound}),
        "author": st.fixed_dictionaries({"name": sound}),
    },
)


@settings(max_examples=80)
@given(st.lists(sound_embeds, min_size=1, max_size=12), sound, st.booleans(), specs)
def test_nothing_is_dropped_without_a_mark(
    given_embeds: list[dict[str, Any]], content: str, with_content: bool, spec: DiscordSpec
):
    """Every text is in the message whole, or the message says that it was cut and names the alert."""
    alert = carried(
        embed=given_embeds[0],
        more_embeds=given_embeds[1:],
        content=content if with_content else None,
    )

    shown = texts_in(payload(alert, spec=spec))

    wanted = [text for embed in given_embeds for text in said_by(embed)]
    wanted += [content.strip()] if with_content and content.strip() else []
    missing = [text for text in wanted if text not in shown]
    assert not missing or re.search(r"cut.*; whole alert: id-1", shown)


@settings(max_examples=50)
@given(st.lists(sound_embeds, min_size=1, max_size=30))
def test_all_alerts_are_said_in_their_order(given_embeds: list[dict[str, Any]]):
    """Packing takes from the front, and within a message order is kept."""
    waiting = [carried(seq, embed=embed) for seq, embed in enumerate(given_embeds)]
    said: list[str] = []
    while waiting:
        message = pack(waiting, SPEC, digest=False)
        said += re.findall(r"id-\d+", texts_in(dict(message.body.payload)))
        waiting = waiting[message.covers :]

    assert list(dict.fromkeys(said)) == [f"id-{seq}" for seq in range(len(given_embeds))]


def test_a_sound_embed_is_said_as_it_is():
    """Bots have made their embeds look as they should."""
    embed = {
        "title": "Dark pool",
        "description": "a **block**",
        "url": "https://a.b/c",
        "color": 0xFF9500,
        "timestamp": "2026-04-27T14:31:02+00:00",
        "author": {"name": "bot", "icon_url": "https://a.b/i.png"},
        "fields": [{"name": "Size", "value": "1,000", "inline": True}],
        "image": {"url": "https://a.b/p.png"},
        "footer": {"text": "Alpha"},
    }

    assert payload(carried(embed=embed), spec=UNMARKED)["embeds"] == [embed]


def test_the_id_stands_in_the_footer():
    """So that people can tell a repeat, and look the alert up."""
    alone = payload(carried(embed={"title": "a"}))
    beside = payload(carried(embed={"title": "a", "footer": {"text": "Alpha"}}))

    assert alone["embeds"][0]["footer"] == {"text": "id-1"}
    assert beside["embeds"][0]["footer"] == {"text": "Alpha · id-1"}


def test_what_has_exactly_the_most_is_not_cut():
    """The limits are used to the last character."""
    embed = {"title": "😀" * 128, "description": "x" * 4096}
    embed["fields"] = [{"name": "n", "value": "y" * 1024}, {"name": "n", "value": "z" * (6000 - 5378)}]

    assert payload(carried(embed=embed), spec=UNMARKED)["embeds"] == [embed]


def test_more_than_twenty_five_fields_go_on_in_a_second_embed():
    """With what stands below the fields at its end."""
    embed = {
        "title": "t",
        "color": 5,
        "footer": {"text": "end"},
        "fields": [{"name": str(number), "value": "v"} for number in range(40)],
    }

    first, second = payload(carried(embed=embed), spec=UNMARKED)["embeds"]

    assert [field["name"] for field in first["fields"] + second["fields"]] == [str(n) for n in range(40)]
    assert "footer" not in first
    assert second["footer"] == {"text": "end"}


def test_fields_without_end_are_cut_with_a_mark():
    """An alert may bring more than all embeds of a message hold."""
    fields_ = [{"name": "n", "value": str(number)} for number in range(5000)]
    shown = payload(carried(embed={"fields": fields_}))["embeds"]

    assert len(shown) == 10
    assert [field["value"] for embed in shown for field in embed["fields"]] == [str(n) for n in range(250)]
    assert shown[-1]["footer"] == {"text": "cut; whole alert: id-1"}


def test_an_empty_name_or_value_is_filled_and_an_empty_field_dropped():
    """Discord refuses a whole message for one of them."""
    given_fields = [{"name": "", "value": "v"}, {"name": "n", "value": " "}, {"name": "", "value": None}]
    shown = payload(carried(embed={"title": "t", "fields": given_fields}), spec=UNMARKED)["embeds"][0]

    assert shown["fields"] == [{"name": "\u200b", "value": "v"}, {"name": "n", "value": "\u200b"}]


def test_a_repeated_link_becomes_text():
    """Of embeds with one link Discord shows the first: ten alerts about one page would be one."""
    waiting = [carried(seq, embed={"title": f"t{seq}", "url": "https://a.b/c"}) for seq in range(3)]

    message = packed(*waiting, spec=UNMARKED)

    assert message.covers == 3
    assert [embed.get("url") for embed in message.body.payload["embeds"]] == ["https://a.b/c", None, None]
    assert message.body.payload["embeds"][1]["description"] == "https://a.b/c"


def test_a_repeated_link_without_room_begins_a_new_message():
    """Rather than be lost."""
    full = {"title": "t", "description": "x" * 4090, "url": "https://a.b/c"}

    assert (
        packed(carried(1, embed={"title": "t", "url": "https://a.b/c"}), carried(2, embed=full)).covers == 1
    )


def test_an_alert_without_embed_gets_one():
    """From its title, text and whatever says what it is about."""
    embed = payload(
        carried(
            title="Dark pool print",
            content="a block",
            symbol="SPY",
            severity="critical",
            url="https://a.b/c",
            labels={"desk": "delta", "grafana.rule": "x"},
        )
    )["embeds"][0]

    assert embed["title"] == "Dark pool print"
    assert embed["description"] == "a block"
    assert embed["url"] == "https://a.b/c"
    assert embed["color"] == 0xE74C3C
    assert embed["timestamp"] == NOW.isoformat()
    assert [(field["name"], field["value"]) for field in embed["fields"]] == [
        ("Symbol", "SPY"),
        ("Source", "bot"),
        ("Type", "dp_alert"),
        ("desk", "delta"),
    ]


def test_a_text_alone_stays_a_text():
    """What somebody just wrote looks as they wrote it."""
    assert payload(carried(content=" hello\n")) == {"content": "hello", "allowed_mentions": {"parse": []}}


def test_a_long_text_is_cut_with_a_mark_that_names_the_alert():
    """An alert never takes more than one message."""
    content = payload(carried(content="x" * 2001))["content"]

    assert content.endswith("x… (cut; whole alert: id-1)")
    assert len(content) == 2000


def test_files_that_were_not_kept_are_named():
    """Their bytes are gone, and nobody should look for them."""
    labels_ = {"discord.attachments": '[{"filename": "a.png"}]'}

    with_embed = payload(carried(embed={"title": "t"}, labels=labels_))["embeds"][0]
    text = payload(carried(content="see file", labels=labels_))["content"]

    assert with_embed["footer"]["text"] == "without attachments; whole alert: id-1"
    assert text == "see file (without attachments; whole alert: id-1)"


def test_a_mark_that_leaves_no_room_says_so_itself():
    """What is cut for the mark of a missing file is cut all the same."""
    full = {"description": "x" * 4096, "fields": [{"name": "n", "value": "y" * 950}] * 2}
    shown = payload(carried(embed=full, labels={"discord.attachments": '[{"filename": "a"}]'}))["embeds"]

    assert shown[-1]["footer"] == {"text": "cut, without attachments; whole alert: id-1"}


def test_an_empty_list_of_files_is_not_missed():
    """Clients send one along with every message."""
    assert payload(carried(content="a", labels={"discord.attachments": "[]"}))["content"] == "a"


def test_the_title_of_an_alert_heads_an_embed_without_one():
    """Both were said, so both are shown."""
    (embed,) = payload(carried(title="Dark pool", embed={"description": "d"}), spec=UNMARKED)["embeds"]

    assert embed == {"title": "Dark pool", "description": "d"}


def test_an_alert_that_says_nothing_is_said_by_its_type():
    """It was an alert all the same."""
    assert payload(carried(embed={"color": 5}))["embeds"][0]["title"] == "dp alert"


def test_ten_embeds_share_a_message_and_the_eleventh_begins_another():
    """A channel takes thirty messages a minute: packing is worth ten times."""
    waiting = [carried(seq, embed={"title": f"t{seq}"}) for seq in range(25)]

    assert packed(*waiting).covers == 10


def test_texts_share_a_message_line_by_line():
    """Up to the two thousand characters it takes."""
    waiting = [carried(seq, content="x" * 999) for seq in range(3)]

    message = packed(*waiting)

    assert message.covers == 2
    assert message.body.payload["content"] == "\n".join(["x" * 999] * 2)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"embed": {"title": "t"}}, {"content": "text"}),
        ({"embed": {"title": "t"}, "content": "both"}, {"embed": {"title": "t"}}),
        ({"embed": {"title": "t"}}, {"embed": {"title": "t"}, "content": "both"}),
        ({"content": "a"}, {"content": "a", "labels": {"discord.username": "Else"}}),
        ({"content": "a"}, {"content": "a", "labels": {"discord.avatar_url": "https://a.b/c"}}),
        ({"content": "a"}, {"content": "a", "labels": {"discord.thread_id": "5"}}),
        ({"content": "a"}, {"content": "a", "labels": {"discord.flags": "4"}}),
        ({"content": "a"}, {"content": "a", "labels": {"discord.edits": "5"}}),
        ({"labels": {"discord.thread_name": "x"}}, {"labels": {"discord.thread_name": "x"}}),
        ({"title": "a", "severity": "info"}, {"title": "a", "severity": "error"}),
    ],
)
def test_what_differs_in_more_than_its_words_stands_alone(first: dict[str, Any], second: dict[str, Any]):
    """Who speaks, where, and whether it sounds belongs to a whole message."""
    spec = DiscordSpec(type="discord", url=URL, silent_below=Severity.WARNING)

    assert packed(carried(1, **first), carried(2, **second), spec=spec).covers == 1


def test_less_severe_alerts_make_no_sound_where_the_rules_say_so():
    """An alert without a severity counts as info."""
    spec = DiscordSpec(type="discord", url=URL, silent_below=Severity.WARNING)

    assert payload(carried(title="t"), spec=spec)["flags"] == 4096
    assert "flags" not in payload(carried(title="t", severity="warning"), spec=spec)


@pytest.mark.parametrize(
    ("mentions", "said", "allowed"),
    [
        ("none", '{"parse": ["everyone"]}', {"parse": []}),
        ("users", '{"parse": ["everyone"]}', {"parse": ["users"]}),
        ("as_sent", '{"parse": ["everyone", "users"], "users": ["1"]}', {"parse": ["users", "everyone"]}),
        ("as_sent", '{"parse": [], "roles": ["1", "1", "x"]}', {"parse": [], "roles": ["1"]}),
        ("as_sent", "", {"parse": ["users"]}),
        ("as_sent", "no json", {"parse": ["users"]}),
    ],
)
def test_nobody_is_pinged_unless_the_rules_let_it(mentions: str, said: str, allowed: dict[str, Any]):
    """An alert can come from anybody who knows a URL."""
    spec = DiscordSpec(type="discord", url=URL, mentions=mentions)
    alert = carried(content="@everyone", labels={"discord.allowed_mentions": said})

    assert payload(alert, spec=spec)["allowed_mentions"] == allowed


@pytest.mark.parametrize(
    ("wish", "name"),
    [
        ("Alpha Bot", "Alpha Bot"),
        ("My Discord Bot", "My Bot"),
        ("disDISCORDcord", None),
        ("CLYDE", None),
        (" ", None),
        ("x" * 90, "x" * 79 + "…"),
    ],
)
def test_a_name_that_discord_refuses_is_put_right(wish: str, name: str | None):
    """A wrong name would cost the whole message."""
    assert name_of(wish) == name


def test_a_name_made_to_be_looked_at_for_ever_is_not():
    """Each removal makes the next refused word; 250 kB of that would stop the whole bridge."""
    began = perf_counter()
    name = name_of("cl" * 50_000 + "yde" * 50_000)

    assert perf_counter() - began < 1.0
    assert name == "cl" * 39 + "c…"


def test_a_digest_says_all_whole_where_they_fit():
    """Three alerts need no summary."""
    waiting = [carried(seq, embed={"title": f"t{seq}"}) for seq in range(3)]

    assert packed(*waiting, digest=True) == packed(*waiting)


def test_a_digest_has_a_line_for_each_and_says_how_many_are_not_shown():
    """One message over all of them, however many."""
    waiting = [
        carried(seq, title=f"Alert {seq}", content="x" * 80, occurred_at=NOW + timedelta(seconds=seq))
        for seq in range(500)
    ]

    message = packed(*waiting, digest=True)

    assert message.covers == 500
    (embed,) = message.body.payload["embeds"]
    lines = embed["description"].splitlines()
    assert embed["title"] == "500 alerts"
    assert lines[0].startswith("• Alert 0: xxx")
    assert lines[-1] == f"… and {500 - len(lines) + 1} more, not shown"
    assert embed["footer"] == {"text": "from id-0 to id-499"}


def test_the_plain_form_has_all_texts_and_no_wish_that_could_be_refused():
    """For one more try when Discord refuses the message."""
    alert = carried(
        embed={"title": "t", "fields": [{"name": "n", "value": "v"}]}, labels={"discord.username": "Bot"}
    )

    assert packed(alert).plain.payload == {"content": "t\nn: v", "allowed_mentions": {"parse": []}}
    assert packed(carried(content="only a text")).plain is None


@given(st.text(max_size=50), st.integers(0, 40))
def test_a_cut_text_is_within_its_limit_and_sound(text: str, most: int):
    """No half character at the end, and never more than was allowed."""
    short = cut(text, most)

    assert units(short) <= most
    assert short.encode().decode() == short
    assert short == text or short.endswith("…") or most == 0


@pytest.mark.parametrize(
    "wrong", ["javascript:alert(1)", "https://", "https://a b", "x", 5, None, "https://[::1"]
)
def test_what_is_no_web_address_is_no_link(wrong: Any):
    """Discord refuses a whole message for one of them."""
    assert link_of(wrong) is None
