"""Takes what Discord's webhook clients send, with the same paths and answers: only the URL changes.

Also what clients of Slack and of GitHub's webhooks send, at the paths that Discord has for them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from fastapi import APIRouter, Request, Response

from alert_bridge.errors import Outcome, UnknownWebhook
from alert_bridge.metrics import Dialect
from alert_bridge.receive import discord_answers, shape
from alert_bridge.receive.answer import Answer
from alert_bridge.receive.desk import Desk, Taken, answered
from alert_bridge.receive.dialects.github import read_github
from alert_bridge.receive.dialects.slack import read_slack
from alert_bridge.receive.discord import Post, read_post, wants_message
from alert_bridge.receive.messages import delete_message, edit_message, message_id_of, show_message
from alert_bridge.receive.post_body import read_payload
from alert_bridge.receive.source import Source

_PATHS = ("/api/webhooks/{webhook_id}/{token}", "/api/v{version}/webhooks/{webhook_id}/{token}")
_VERSIONS = frozenset(map(str, range(6, 11)))
_NOTHING: Mapping[str, str] = MappingProxyType({})

Handler = Callable[[Desk, Request, Source], Awaitable[Taken]]


def webhook_routes(desk: Desk) -> APIRouter:
    """A webhook and its messages, with and without an API version in the path."""
    routes = APIRouter(tags=["discord"])
    for path in _PATHS:
        for method, end, dialect, handler in (
            ("POST", "", Dialect.DISCORD, _execute),
            ("GET", "", Dialect.DISCORD, _show),
            ("POST", "/slack", Dialect.SLACK, _execute_slack),
            ("POST", "/github", Dialect.GITHUB, _execute_github),
            ("GET", "/messages/{message_id}", Dialect.DISCORD, show_message),
            ("PATCH", "/messages/{message_id}", Dialect.DISCORD, edit_message),
            ("DELETE", "/messages/{message_id}", Dialect.DISCORD, delete_message),
        ):
            answer = _endpoint(desk, dialect, handler)
            routes.add_api_route(
                path + end, answer, methods=[method], response_model=None, name=handler.__name__
            )
    return routes


def _endpoint(desk: Desk, dialect: Dialect, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await answered(
            desk,
            request,
            dialect,
            partial(_as_sender, desk, request, handler),
            discord_answers.discord_refusal,
        )

    endpoint.__doc__ = handler.__doc__
    return endpoint


async def _as_sender(desk: Desk, request: Request, handler: Handler) -> Taken:
    """What *handler* answers the source that the path names.

    Raises:
        UnknownWebhook: it names none, or a version that Discord never had.
    """
    path = request.path_params
    if path.get("version", "10") not in _VERSIONS:
        raise UnknownWebhook("there is no such version")
    return await handler(desk, request, desk.webhook(path["webhook_id"], path["token"]))


async def _show(desk: Desk, request: Request, source: Source) -> Taken:
    """The webhook, with the token that was shown: an old one does not tell the new one."""
    answer = discord_answers.webhook_answer(
        webhook_id=source.id,
        token=request.path_params["token"],
        name=source.name,
        now=desk.clock.now(),
    )
    return Outcome.READ, answer


async def _execute(desk: Desk, request: Request, source: Source) -> Taken:
    """Store one message as an alert: 204, or 200 and the message object with `wait`."""
    payload, files = await read_payload(desk, request, source)
    post = read_post({**payload, **_place(request)}, files)
    return await _store(desk, request, source, post, wait=wants_message(_asked(request).get("wait")))


async def _execute_slack(desk: Desk, request: Request, source: Source) -> Taken:
    """Store one message of a Slack client: 200 and `ok`, unless `wait` is false."""
    payload, _ = await read_payload(desk, request, source, wrapped="payload")
    post = read_slack(payload)
    outcome, _ = await _store(desk, request, source, post, wait=False)
    now = desk.clock.now()
    wanted = wants_message(request.query_params.get("wait", "true"))
    return outcome, discord_answers.slack_answer(now) if wanted else discord_answers.empty_answer(now)


async def _execute_github(desk: Desk, request: Request, source: Source) -> Taken:
    """Store what a repository tells: 200 and the message object, unless `wait` is false."""
    payload, _ = await read_payload(desk, request, source, wrapped="payload")
    post = read_github(request.headers.get("x-github-event", "event"), payload)
    wanted = wants_message(request.query_params.get("wait", "true"))
    return await _store(
        desk, request, source, post, wait=wanted, key=request.headers.get("x-github-delivery")
    )


async def _store(
    desk: Desk, request: Request, source: Source, post: Post, *, wait: bool, key: str | None = None
) -> Taken:
    now = desk.clock.now()
    alert = shape.alert_from_post(
        post,
        key=request.headers.get("idempotency-key") or key,
        sender=source,
        fresh_id=desk.mint.fresh(now),
        now=now,
    )
    kept = await desk.keep(alert)
    if not wait:
        return kept.outcome, discord_answers.empty_answer(now)
    return kept.outcome, _message(post, source, message_id_of(kept.alert), now)


def _message(post: Post, source: Source, message_id: str, now: Any) -> Answer:
    return discord_answers.message_answer(
        post, message_id=message_id, webhook_id=source.id, name=source.name, sent_at=now, now=now
    )


def _asked(request: Request) -> Mapping[str, str]:
    """What the query says; most requests have none."""
    return request.query_params if request.scope["query_string"] else _NOTHING


def _place(request: Request) -> dict[str, str]:
    """Where in a channel it goes, which only the query says."""
    thread = _asked(request).get("thread_id")
    return {} if thread is None else {"thread_id": thread}
