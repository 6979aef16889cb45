"""From alerts that wait to the next message: as many as one message holds, in their order. Pure.

What differs in who speaks, where, whom it pings or whether it sounds never shares a message. A message is
made either of embeds or of lines of text; an alert with both stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alert_bridge.carried import Carried
from alert_bridge.changes import changes
from alert_bridge.destinations.destination import Packed
from alert_bridge.destinations.discord_clean import MAX_DESCRIPTION, Embed
from alert_bridge.destinations.discord_embed import (
    COLOURS,
    MAX_EMBEDS,
    MAX_TOTAL,
    embeds_of,
    own_embeds,
    severity_of,
    size_of,
)
from alert_bridge.destinations.discord_envelope import Envelope, envelope_of
from alert_bridge.destinations.discord_text import cut, text_of, units
from alert_bridge.destinations.spec import DiscordSpec
from alert_bridge.destinations.words import digest_within, reference_of, texts_within
from baleen_contracts.alert import Alert, Severity

MAX_CONTENT = 2_000
_MISSING = {
    "discord.attachments": "attachments",
    "discord.components": "components",
    "discord.poll": "poll",
    "discord.sticker_ids": "stickers",
}
_NOTHING = {"", "[]", "{}", "null"}  # clients send empty lists along


@dataclass(frozen=True, slots=True)
class Body:
    """One message for a webhook: what goes into the request, and the thread it goes to."""

    payload: Mapping[str, Any]
    thread_id: str | None = None


@dataclass(slots=True)
class _Piece:
    """One alert, or several in one message."""

    envelope: Envelope
    content: str = ""
    embeds: list[Embed] = field(default_factory=list)
    links: set[str] = field(default_factory=set)
    size: int = 0
    alone: bool = False

    def takes(self, other: _Piece) -> bool:
        """Add *other* where one message holds both; say whether it did."""
        if self.alone or other.alone or self.envelope != other.envelope:
            return False
        if self.content and other.content and not self.embeds and not other.embeds:
            both = f"{self.content}\n{other.content}"
            if units(both) > MAX_CONTENT:
                return False
            self.content = both
            return True
        if self.content or other.content or len(self.embeds) + len(other.embeds) > MAX_EMBEDS:
            return False
        return self._adopt(other.embeds)

    def _adopt(self, embeds: Sequence[Embed]) -> bool:
        links, moved = set(self.links), []
        for embed in embeds:
            own = _own_link(embed, links)
            if own is None:
                return False
            moved.append(own)
        size = self.size + sum(map(size_of, moved))
        if size > MAX_TOTAL:
            return False
        self.embeds += moved
        self.links, self.size = links, size
        return True


def pack(waiting: Sequence[Carried], spec: DiscordSpec, *, digest: bool) -> Packed:
    """The next message of *waiting*: of as many as fit, or a digest of all."""
    piece, covers = _gather(waiting, spec)
    if digest and covers < len(waiting):
        return _digest([one.alert for one in waiting], spec)
    alerts = [one.alert for one in waiting[:covers]]
    body = _body(piece.envelope, piece.content, piece.embeds)
    text = texts_within(alerts, MAX_CONTENT) if piece.embeds else piece.content
    plain = _body(piece.envelope.plainest(), text, [])
    return Packed(covers, body, None if plain == body else plain)


def _gather(waiting: Sequence[Carried], spec: DiscordSpec) -> tuple[_Piece, int]:
    piece = _piece(waiting[0].alert, spec)
    covers = 1
    for one in waiting[1:]:
        if piece.alone or not piece.takes(_piece(one.alert, spec)):
            break
        covers += 1
    return piece, covers


def _piece(alert: Alert, spec: DiscordSpec) -> _Piece:
    missing = tuple(word for label, word in _MISSING.items() if alert.labels.get(label, "") not in _NOTHING)
    reference, envelope = reference_of(alert), envelope_of(alert, spec)
    content = text_of(alert.content)
    alone = envelope.makes_thread or changes(alert)
    if content and _only_text(alert):
        text = _marked(content, missing, reference)
        return _Piece(envelope, text, alone=alone)
    embeds = embeds_of(alert, reference=reference, mark_id=spec.mark_ids, missing=missing)
    content = _marked(content, (), reference) if own_embeds(alert) else ""
    piece = _Piece(envelope, content, alone=alone or bool(content))
    if not piece._adopt(embeds):  # noqa: SLF001 - its own class
        raise AssertionError("one alert's embeds fit one message")
    return piece


def _only_text(alert: Alert) -> bool:
    """Whether *alert* says nothing but a text, as somebody who just writes."""
    says_more = alert.title or alert.symbol or alert.severity or alert.url or own_embeds(alert)
    return not says_more and all("." in name for name in alert.labels)


def _marked(content: str, missing: Sequence[str], reference: str) -> str:
    parts = [f"without {part}" for part in missing]
    whole = f"{content} ({', '.join(parts)}; whole alert: {reference})" if parts else content
    if units(whole) <= MAX_CONTENT:
        return whole
    return cut(content, MAX_CONTENT, f"… ({', '.join(['cut', *parts])}; whole alert: {reference})")


def _own_link(embed: Embed, links: set[str]) -> Embed | None:
    """*embed* with a link that no embed before it has, since Discord shows one embed per link.

    A repeated one stands at the end of the text instead; None where it has no room there.
    """
    link = embed.get("url")
    if link is None or link not in links:
        if link is not None:
            links.add(link)
        return embed
    description = "\n".join(filter(None, [embed.get("description", ""), link]))
    if units(description) > MAX_DESCRIPTION:
        return None
    return {**{name: value for name, value in embed.items() if name != "url"}, "description": description}


def _body(envelope: Envelope, content: str, embeds: Sequence[Embed]) -> Body:
    payload = envelope.payload()
    if content:
        payload["content"] = content
    if embeds:
        payload["embeds"] = list(embeds)
    return Body(payload, envelope.thread_id)


def _digest(alerts: Sequence[Alert], spec: DiscordSpec) -> Packed:
    first = envelope_of(alerts[0], spec)
    silent = all(envelope_of(alert, spec).silent for alert in alerts)
    envelope = first.for_all(silent=silent)
    worst = max(map(severity_of, alerts), key=list(Severity).index)
    embed = {
        "title": f"{len(alerts)} alerts",
        "description": digest_within(alerts, MAX_DESCRIPTION),
        "color": COLOURS[worst],
        "timestamp": alerts[-1].occurred_at.isoformat(),
        "footer": {"text": f"from {reference_of(alerts[0])} to {reference_of(alerts[-1])}"},
    }
    plain = _body(envelope.plainest(), digest_within(alerts, MAX_CONTENT), [])
    return Packed(len(alerts), _body(envelope, "", [embed]), plain)
