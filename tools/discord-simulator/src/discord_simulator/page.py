"""The page on which a person sees what was said. Pure; everything of a message is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any
from urllib.parse import urlsplit

from discord_simulator.record import Deed, Entry

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_STYLE = """
body{background:#313338;color:#dbdee1;font:15px/1.4 system-ui,sans-serif;margin:0 auto;
max-width:860px;padding:1em}
h1{font-size:1.2em}h1 small,time,.channel{color:#949ba4;font-weight:normal;font-size:.85em}
article{border-top:1px solid #3f4147;padding:.7em 0}article>b{color:#f2f3f5}pre{font:inherit;margin:.2em 0;
white-space:pre-wrap;overflow-wrap:anywhere}.embed{background:#2b2d31;border-left:4px solid #4e5058;
border-radius:4px;margin:.3em 0;padding:.5em .8em}.fields{display:flex;flex-wrap:wrap;gap:.3em 1.5em}
.fields b{display:block}
footer{color:#949ba4;font-size:.8em;margin-top:.4em}.deleted pre,.deleted .embed{text-decoration:line-through}
"""


def page(entries: Sequence[Entry], said: int, base_url: str, webhooks: Sequence[str]) -> str:
    """The newest messages as a page that looks again every two seconds.

    Args:
        entries: the newest deeds, the newest first.
        said: how many messages there were.
        base_url: where the simulator is.
        webhooks: paths of the webhooks there are.
    """
    urls = "".join(f"<pre>{escape(base_url + path)}</pre>" for path in webhooks)
    shown = "".join(map(_article, entries)) or f"<p>Nothing was said yet. Post to one of</p>{urls}"
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="2">'
        f"<title>Simulated Discord</title><style>{_STYLE}</style></head><body>"
        f"<h1>Simulated Discord <small>{said} messages; the newest are on top</small></h1>"
        f"{shown}</body></html>"
    )


def _article(entry: Entry) -> str:
    message = entry.message
    deed = "" if entry.deed is Deed.SAID else f" · {entry.deed}"
    return (
        f'<article class="{entry.deed}"><b>{escape(str(message["author"]["username"]))}</b> '
        f'<span class="channel">#{escape(entry.channel)}{deed}</span> '
        f"<time>{escape(message['timestamp'])}</time>"
        f"{_text(message['content'])}{''.join(map(_embed, message['embeds']))}</article>"
    )


def _embed(embed: dict[str, Any]) -> str:
    colour = embed.get("color")
    style = f' style="border-color:#{colour:06x}"' if isinstance(colour, int) and colour else ""
    fields = "".join(
        f"<div><b>{escape(str(field.get('name', '')))}</b>{_text(field.get('value'))}</div>"
        for field in embed.get("fields") or ()
    )
    parts = [
        _text((embed.get("author") or {}).get("name")),
        _title(embed),
        _text(embed.get("description")),
        f'<div class="fields">{fields}</div>' if fields else "",
        _footer(embed),
    ]
    return f'<div class="embed"{style}>{"".join(parts)}</div>'


def _title(embed: dict[str, Any]) -> str:
    title, url = embed.get("title"), embed.get("url")
    if not title:
        return ""
    words = f"<b>{escape(str(title))}</b>"
    if isinstance(url, str) and urlsplit(url).scheme in ("http", "https"):
        return f'<a rel="noreferrer" href="{escape(url)}">{words}</a>'
    return words


def _footer(embed: dict[str, Any]) -> str:
    words = [(embed.get("footer") or {}).get("text"), embed.get("timestamp")]
    told = " · ".join(escape(str(word)) for word in words if word)
    return f"<footer>{told}</footer>" if told else ""


def _text(text: Any) -> str:
    return f"<pre>{escape(str(text))}</pre>" if text else ""
