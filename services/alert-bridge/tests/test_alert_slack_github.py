"""`/slack` and `/github` of a webhook: what their senders say as one message, and the original beside it."""

import json
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_bridge.errors import Refused
from alert_bridge.receive.dialects.github import read_github
from alert_bridge.receive.dialects.slack import read_slack

REPOSITORY = {"full_name": "team/bot", "html_url": "https://git/team/bot"}
SENDER = {"login": "ada", "html_url": "https://git/ada", "avatar_url": "https://git/ada.png"}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


async def test_slack_is_answered_ok(bridge, alerts):
    """As Slack answers, or 204 where the sender does not want to wait; the payload is kept."""
    said = {
        "text": "<https://x|up> &amp; running",
        "username": "ci",
        "attachments": [{"title": "T", "color": "good"}],
    }

    answer = await bridge.client.post(f"{bridge.webhook}/slack", json=said)
    silent = await bridge.client.post(
        f"{bridge.webhook}/slack?wait=false", data={"payload": json.dumps(said)}
    )

    assert (answer.status_code, answer.text) == (200, "ok")
    assert (silent.status_code, silent.content) == (204, b"")
    first, second = await alerts()
    assert first.content == "[up](https://x) & running"
    assert first.embed == {"title": "T", "color": 0x2EB67D}
    assert json.loads(first.labels["discord.slack"]) == said
    assert (second.content, second.embed) == (first.content, first.embed)


async def test_github_is_answered_with_the_message(bridge, alerts):
    """`wait` is true there; a delivery that GitHub sends again is the same alert."""
    said = {
        "action": "opened",
        "issue": {"number": 7, "title": "It lags", "html_url": "https://git/7", "body": "by 9 s"},
        "repository": REPOSITORY,
        "sender": SENDER,
    }
    headers = {"X-GitHub-Event": "issues", "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"}

    answers = [
        await bridge.client.post(f"{bridge.webhook}/github", json=said, headers=headers) for _ in range(2)
    ]

    assert [answer.status_code for answer in answers] == [200, 200]
    [alert] = await alerts()
    assert alert.embed["title"] == alert.title == "[team/bot] Issue opened: #7 It lags"
    assert (alert.embed["url"], alert.embed["description"]) == ("https://git/7", "by 9 s")
    assert json.loads(alert.labels["discord.github"]) == said
    assert answers[0].json()["embeds"][0]["title"] == alert.title


@pytest.mark.parametrize(
    ("event", "said", "title"),
    [
        ("ping", {"zen": "z"}, "Webhook is set up"),
        (
            "push",
            {"ref": "refs/heads/main", "commits": [{"id": "a" * 40, "message": "m\nn", "url": "u"}]},
            "1 new commit on main",
        ),
        ("create", {"ref_type": "branch", "ref": "x"}, "Branch created: x"),
        ("delete", {"ref_type": "tag", "ref": "v1"}, "Tag deleted: v1"),
        ("fork", {"forkee": {"full_name": "eve/bot"}}, "Forked to eve/bot"),
        ("release", {"action": "published", "release": {"tag_name": "v1"}}, "Release published: v1"),
        (
            "pull_request_review",
            {"pull_request": {"number": 3, "title": "t"}, "review": {"state": "approved"}},
            "Review of pull request (approved): #3 t",
        ),
        (
            "issue_comment",
            {"issue": {"number": 3, "title": "t"}, "comment": {"body": "b"}},
            "New comment on issue: #3 t",
        ),
        (
            "workflow_run",
            {"action": "completed", "workflow_run": {"name": "CI", "conclusion": "failure"}},
            "Workflow run failure: CI",
        ),
        ("star", {"action": "created"}, "Star created"),
    ],
)
def test_an_event_has_a_title(event, said, title):
    """What happened, in one line."""
    post = read_github(event, {**said, "repository": REPOSITORY, "sender": SENDER})

    assert post.embeds[0]["title"] == f"[team/bot] {title}"
    assert post.embeds[0]["author"]["name"] == "ada"


def test_a_long_push_says_how_many_are_not_shown():
    """Twenty commits are shown, all are kept."""
    commits = [{"id": str(number) * 40, "message": "m", "url": "u"} for number in range(25)]

    post = read_github("push", {"ref": "refs/heads/main", "commits": commits})

    assert post.embeds[0]["description"].endswith("and 5 more")
    assert len(post.rest["github"]["commits"]) == 25


def test_blocks_are_read_where_there_is_no_text():
    """The texts of Block Kit, in their order."""
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "Head"}},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "one"}, {"type": "mrkdwn", "text": "two"}]},
        {"type": "rich_text", "elements": [{"elements": [{"type": "text", "text": "three"}]}]},
    ]

    assert read_slack({"blocks": blocks}).content == "Head\none\ntwo\nthree"
    assert (
        read_slack({"attachments": [{"blocks": blocks}]}).embeds[0]["description"] == "Head\none\ntwo\nthree"
    )


def test_attachments_become_embeds():
    """Everything that has a place in an embed is in it; ten are shown, all are kept."""
    one = {
        "author_name": "a",
        "title": "t",
        "title_link": "https://x",
        "pretext": "p",
        "text": "x",
        "fields": [{"title": "n", "value": "v", "short": True}],
        "footer": "f",
        "color": "#ff0000",
        "image_url": "https://i",
    }

    post = read_slack({"attachments": [one] * 12})

    assert post.embeds[0] == {
        "title": "t",
        "url": "https://x",
        "description": "p\nx",
        "color": 0xFF0000,
        "fields": [{"name": "n", "value": "v", "inline": True}],
        "footer": {"text": "f"},
        "author": {"name": "a"},
        "image": {"url": "https://i"},
    }
    assert (len(post.embeds), len(post.rest["slack"]["attachments"])) == (10, 12)


parts = st.dictionaries(
    st.sampled_from(
        ["text", "blocks", "attachments", "fields", "elements", "title", "color", "type", "value"]
    ),
    json_values,
    max_size=5,
)


@given(
    said=st.dictionaries(
        st.sampled_from(["text", "blocks", "attachments", "username"]), st.lists(parts) | json_values
    )
)
def test_any_slack_payload_is_a_message_or_refused(said):
    """Nothing breaks it."""
    try:
        post = read_slack(said)
    except Refused:
        return
    assert post.rest["slack"] == said


@given(
    event=st.text(max_size=20),
    said=st.dictionaries(
        st.sampled_from(
            ["action", "issue", "pull_request", "comment", "commits", "ref", "repository", "sender"]
        ),
        st.dictionaries(st.sampled_from(["title", "number", "body", "name", "login"]), json_values)
        | json_values,
    ),
)
def test_any_github_payload_is_a_message(event, said):
    """Nothing breaks it either."""
    assert read_github(event, said).rest["github"] == said


def test_a_text_of_nothing_but_beginnings_of_links_takes_no_time():
    """Nobody else is answered while it is read."""
    text = "<http://a|" * 25_000
    began = perf_counter()
    post = read_slack({"text": text})

    assert perf_counter() - began < 1.0
    assert post.content == text
