"""What GitHub's webhooks send, as a Discord message: one embed that says what happened. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alert_bridge.receive.discord import Post, read_post
from alert_bridge.receive.values import plain_text

_SHOWN_COMMITS = 20
_THINGS = (
    "pull_request",
    "issue",
    "discussion",
    "release",
    "workflow_run",
    "workflow_job",
    "check_run",
    "check_suite",
    "deployment",
    "milestone",
    "alert",
)
"""What an event may be about: the field that holds it, the first that is there."""


def read_github(event: str, said: Mapping[str, Any]) -> Post:
    """The message that tells of *event*, a word of the header ``X-GitHub-Event``; the payload is kept whole.

    Raises:
        Invalid: it is nested too deep.
    """
    title, url, text = _told(event, said)
    repository = _text(said, "repository", "full_name") or _text(said, "organization", "login")
    sender = _text(said, "sender", "login")
    embed = {
        "title": f"[{repository}] {title}" if repository else title,
        "url": url or _text(said, "repository", "html_url"),
        "description": text,
        "author": _known(
            name=sender, url=_text(said, "sender", "html_url"), icon_url=_text(said, "sender", "avatar_url")
        ),
    }
    return read_post({"embeds": [_known(**embed)], "github_event": event, "github": dict(said)})


def _told(event: str, said: Mapping[str, Any]) -> tuple[str, str, str]:
    """What happened, where to look, and what was said."""
    if event == "push":
        return _pushed(said)
    if event == "ping":
        return "Webhook is set up", "", _text(said, "zen")
    if event in {"create", "delete"}:
        return f"{_text(said, 'ref_type').capitalize() or 'Ref'} {event}d: {_text(said, 'ref')}", "", ""
    if event == "fork":
        return f"Forked to {_text(said, 'forkee', 'full_name')}", _text(said, "forkee", "html_url"), ""
    thing = next((name for name in _THINGS if isinstance(said.get(name), dict)), None)
    if thing is None:
        what = f"{_spoken(event)} {_text(said, 'action')}".strip()
        return what or "Event", "", ""
    return _about(thing, said)


def _about(thing: str, said: Mapping[str, Any]) -> tuple[str, str, str]:
    number = _text(said, thing, "number")
    names = ("title", "name", "tag_name", "display_title", "environment")
    name = next((text for field in names if (text := _text(said, thing, field))), "")
    called = f"{f'#{number} ' if number else ''}{name}".strip()
    for said_on, verb in (("comment", "New comment on"), ("review", "Review of")):
        if isinstance(said.get(said_on), dict):
            state = _text(said, said_on, "state")
            done = f" ({state})" if state else ""
            title = f"{verb} {_spoken(thing).lower()}{done}: {called}"
            return title, _text(said, said_on, "html_url"), _text(said, said_on, "body")
    done = _text(said, thing, "conclusion") or _text(said, "action") or _text(said, thing, "status")
    title = f"{_spoken(thing)} {done}".strip()
    return (
        f"{title}: {called}" if called else title,
        _text(said, thing, "html_url"),
        _text(said, thing, "body"),
    )


def _pushed(said: Mapping[str, Any]) -> tuple[str, str, str]:
    commits = said.get("commits")
    known = [one for one in commits if isinstance(one, dict)] if isinstance(commits, list) else []
    branch = _text(said, "ref").removeprefix("refs/heads/").removeprefix("refs/tags/")
    count = len(known)
    lines = [_commit(one) for one in known[:_SHOWN_COMMITS]]
    if count > _SHOWN_COMMITS:
        lines.append(f"and {count - _SHOWN_COMMITS} more")
    forced = " (forced)" if said.get("forced") is True else ""
    title = f"{count} new commit{'' if count == 1 else 's'} on {branch or 'a branch'}{forced}"
    return title, _text(said, "compare"), "\n".join(lines)


def _commit(one: Mapping[str, Any]) -> str:
    first_line = _text(one, "message").partition("\n")[0]
    who = _text(one, "author", "username") or _text(one, "author", "name")
    return f"[`{_text(one, 'id')[:7]}`]({_text(one, 'url')}) {first_line}{f' - {who}' if who else ''}"


def _spoken(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _text(said: Mapping[str, Any], *path: str) -> str:
    here: Any = said
    for name in path:
        here = here.get(name) if isinstance(here, Mapping) else None
    return plain_text(here) or ""


def _known(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
