"""A bot of discord.py, nextcord, disnake or py-cord: talks to a webhook, and prints how it was answered.

Run as ``discord_family.py LIBRARY sync|async SCENE``, with the URLs in its environment. Only ``made``
knows of the bridge.
"""

import asyncio
import importlib
import inspect
import io
import json
import os
import sys
from typing import Any

from baleen_bus.discord_session import OtherAddress, sync_webhook, webhook

lib: Any = importlib.import_module(sys.argv[1])
URL, UNKNOWN = os.environ["WEBHOOK_URL"], os.environ["UNKNOWN_URL"]


def made(url: str) -> Any:
    """The library's own webhook."""
    return sync_webhook(lib.SyncWebhook, url) if sys.argv[2] == "sync" else webhook(lib.Webhook, url)


async def done(call: Any) -> Any:
    """What a call returns, or what it returns when awaited."""
    return await call if inspect.isawaitable(call) else call


async def refused(call: Any) -> list[Any]:
    """The exception that a call ends with, as the library reports it."""
    try:
        await done(call())
    except lib.HTTPException as error:
        return [type(error).__name__, error.status, error.code]
    return ["nothing"]


def squeeze() -> Any:
    """An embed as the checkers make them."""
    embed = lib.Embed(title="SPY squeeze", description="score 81", colour=0xFF9500)
    embed.add_field(name="Price", value="$590.00", inline=True)
    embed.set_footer(text="squeeze_checker")
    return embed


async def talk(hook: Any) -> dict[str, Any]:
    """Everything a bot does with a webhook."""
    quiet = await done(hook.send("quiet"))
    told = await done(hook.send("waited", embed=squeeze(), username="Squeeze", wait=True))
    many = await done(hook.send(embeds=[lib.Embed(title=f"e{n}") for n in range(10)], wait=True))
    file = lib.File(io.BytesIO(b"level,size\n590,12\n"), "levels.csv")
    filed = await done(hook.send("with a file", file=file, wait=True))
    shown = await done(hook.fetch())
    return {
        "quiet": quiet,
        "waited": [told.content, told.embeds[0].title, told.embeds[0].fields[0].value, told.author.name],
        "id": str(told.id),
        "many": [embed.title for embed in many.embeds],
        "file": [filed.attachments[0].filename, filed.attachments[0].size],
        "shown": [shown.id == hook.id, shown.name],
        "empty": await refused(lambda: hook.send("   ")),
        "unknown": await refused(lambda: stranger.send("nobody takes it")),
        "elsewhere": await elsewhere(hook),
    }


async def elsewhere(hook: Any) -> str:
    """What becomes of a message to another webhook, by mistake, over the session of this one."""
    other = type(hook).partial(hook.id, "o" * 68, session=hook.session)
    try:
        await done(other.send("a secret"))
    except OtherAddress:
        return "never left"
    return "left"


async def change(hook: Any) -> dict[str, Any]:
    """What a bot does with messages that it sent."""
    told = await done(hook.send("first words", wait=True))
    edited = await done(told.edit(content="second words"))
    fetched = await done(hook.fetch_message(told.id))
    await done(told.delete())
    return {
        "edited": [edited.id == told.id, edited.content],
        "fetched": [fetched.id == told.id, fetched.content],
        "gone": await refused(lambda: hook.fetch_message(told.id)),
    }


async def hurry(hook: Any) -> dict[str, Any]:
    """Two messages in a row, where one in three seconds is allowed."""
    return {"contents": [(await done(hook.send(words, wait=True))).content for words in ("one", "two")]}


async def send(hook: Any) -> dict[str, Any]:
    """One message, and no more."""
    told = await done(hook.send("patience", wait=True))
    return {"content": told.content}


async def redirected(hook: Any) -> dict[str, Any]:
    """How a message ends that somebody sends elsewhere."""
    try:
        await done(hook.send("a secret"))
    except (lib.HTTPException, OtherAddress) as error:
        return {"ended": type(error).__name__}
    return {"ended": "sent"}


async def run() -> None:
    """What the command line asks for."""
    hook = made(URL)
    try:
        seen = await SCENES[sys.argv[3]](hook)
        sys.stdout.write(json.dumps(seen))
    finally:
        for one in (hook, stranger):
            await done(one.session.close())


SCENES = {"talk": talk, "change": change, "hurry": hurry, "send": send, "redirected": redirected}
stranger = made(UNKNOWN)
asyncio.run(run())
