"""Programs that post by requests, aiohttp, httpx, discord-webhook or Apprise: prints what each was answered.

Run as ``plain_clients.py CLIENT|away``, with the URLs in its environment.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import aiohttp
import apprise
import httpx
import requests
from discord_webhook import AsyncDiscordWebhook, DiscordEmbed, DiscordWebhook

URL, UNKNOWN = os.environ["WEBHOOK_URL"], os.environ["UNKNOWN_URL"]
POST = {"content": "look", "embeds": [{"title": "SPY squeeze", "color": 0xFF9500}]}
FILE = {"file": ("levels.csv", b"level,size\n590,12\n", "text/csv")}


def by_requests() -> dict[str, Any]:
    """As most bots do it."""
    wrong = requests.post(UNKNOWN, json=POST, timeout=10)
    return {
        "quiet": requests.post(URL, json=POST, timeout=10).status_code,
        "waited": requests.post(URL, json=POST, params={"wait": "true"}, timeout=10).json()["content"],
        "form": requests.post(URL, data={"content": "a form"}, timeout=10).status_code,
        "file": requests.post(
            URL, data={"payload_json": json.dumps(POST)}, files=FILE, params={"wait": True}, timeout=10
        ).json()["attachments"][0]["filename"],
        "unknown": [wrong.status_code, wrong.json()["code"]],
    }


def by_httpx() -> dict[str, Any]:
    """The same with httpx."""
    with httpx.Client(timeout=10) as client:
        wrong = client.post(UNKNOWN, json=POST)
        client.post(URL, json=POST).raise_for_status()
        return {
            "quiet": client.post(URL, json=POST).status_code,
            "waited": client.post(URL, json=POST, params={"wait": "true"}).json()["content"],
            "form": client.post(URL, data={"content": "a form"}).status_code,
            "file": client.post(
                URL, data={"payload_json": json.dumps(POST)}, files=FILE, params={"wait": True}
            ).json()["attachments"][0]["filename"],
            "unknown": [wrong.status_code, wrong.json()["code"]],
        }


def by_aiohttp() -> dict[str, Any]:
    """The same with aiohttp."""

    async def talk() -> dict[str, Any]:
        async with aiohttp.ClientSession() as session:

            async def post(url: str, **what: Any) -> tuple[int, Any]:
                async with session.post(url, **what) as answer:
                    return answer.status, await answer.json() if answer.status != 204 else None

            form = aiohttp.FormData()
            form.add_field("payload_json", json.dumps(POST), content_type="application/json")
            form.add_field("files[0]", FILE["file"][1], filename="levels.csv", content_type="text/csv")
            status, problem = await post(UNKNOWN, json=POST)
            return {
                "quiet": (await post(URL, json=POST))[0],
                "waited": (await post(URL, json=POST, params={"wait": "true"}))[1]["content"],
                "form": (await post(URL, data={"content": "a form"}))[0],
                "file": (await post(URL, data=form, params={"wait": "1"}))[1]["attachments"][0]["filename"],
                "unknown": [status, problem["code"]],
            }

    return asyncio.run(talk())


def by_discord_webhook() -> dict[str, Any]:
    """The library of that name; it reads the body whatever it asked for."""

    def hook(**what: Any) -> Any:
        made = DiscordWebhook(url=URL, **what)
        embed = DiscordEmbed(title="SPY squeeze", color="ff9500")
        embed.add_embed_field(name="Price", value="$590.00")
        made.add_embed(embed)
        return made

    told = hook(content="look")
    answer = told.execute()
    told.content = "edited"
    edited = told.edit()
    deleted = told.delete()
    filed = hook(content="with a file")
    filed.add_file(file=FILE["file"][1], filename="levels.csv")
    quick = AsyncDiscordWebhook(url=URL, content="async")
    return {
        "waited": [answer.status_code, answer.json()["content"], bool(told.id)],
        "edited": [edited.status_code, edited.json()["content"]],
        "deleted": deleted.status_code,
        "file": filed.execute().json()["attachments"][0]["filename"],
        "async": asyncio.run(quick.execute()).status_code,
        "unknown": DiscordWebhook(url=UNKNOWN, content="nobody takes it").execute().status_code,
    }


def by_apprise() -> dict[str, Any]:
    """Its generic JSON notification, whose URL is made of the bridge's."""

    def notified(url: str, kind: str = "warning") -> bool:
        sender = apprise.Apprise()
        sender.add(url)
        return bool(sender.notify(title="SPY squeeze", body="score 81", notify_type=kind))

    return {
        "taken": notified(os.environ["APPRISE_URL"]),
        "unknown": notified(os.environ["APPRISE_UNKNOWN_URL"]),
    }


def while_the_bus_is_away() -> dict[str, Any]:
    """What each of them makes of a bridge that cannot store: an error it can act on, never a success."""
    seen: dict[str, Any] = {}
    answer = requests.post(URL, json=POST, timeout=10)
    seen["requests"] = [answer.status_code, int(answer.headers["Retry-After"]) > 0]
    try:
        httpx.post(URL, json=POST, timeout=10).raise_for_status()
    except httpx.HTTPStatusError as error:
        seen["httpx"] = [error.response.status_code, int(error.response.headers["Retry-After"]) > 0]

    async def post() -> list[Any]:
        async with aiohttp.ClientSession(raise_for_status=True) as session:
            try:
                await session.post(URL, json=POST)
            except aiohttp.ClientResponseError as error:
                return [error.status, error.headers is not None and int(error.headers["Retry-After"]) > 0]
        return []

    seen["aiohttp"] = asyncio.run(post())
    answer = DiscordWebhook(url=URL, content="look").execute()
    seen["discord-webhook"] = [answer.status_code, int(answer.headers["Retry-After"]) > 0]
    sender = apprise.Apprise()
    sender.add(os.environ["APPRISE_URL"])
    seen["apprise"] = bool(sender.notify(title="SPY squeeze", body="score 81"))
    return seen


CLIENTS: dict[str, Callable[[], dict[str, Any]]] = {
    "requests": by_requests,
    "httpx": by_httpx,
    "aiohttp": by_aiohttp,
    "discord-webhook": by_discord_webhook,
    "apprise": by_apprise,
    "away": while_the_bus_is_away,
}
sys.stdout.write(json.dumps(CLIENTS[sys.argv[1]]()))
