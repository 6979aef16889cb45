"""The catalogue: every entity with its subject, stream, delivery, producer and consumers. Pure.

Streams, schemas, the AsyncAPI document and the subject table are all made from it.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from baleen_contracts.alert import Alert
from baleen_contracts.bridge import BridgeEvent, BridgeState
from baleen_contracts.command import CommandRequest
from baleen_contracts.congress_trade import CongressTrade
from baleen_contracts.dead_letter import DeadLetter, Redelivery
from baleen_contracts.entity import Delivery, Entity
from baleen_contracts.equity_print import DarkPool, LitTrade
from baleen_contracts.feed import FeedGap, FeedStatus
from baleen_contracts.flow_alert import FlowAlert
from baleen_contracts.gex import Gex, GexStrike, GexStrikeExpiry
from baleen_contracts.happenings import CustomAlert, News, TradingHalt
from baleen_contracts.market_flow import IntervalFlow, MarketTide, NetFlow
from baleen_contracts.market_mover import MarketMover
from baleen_contracts.message import Contract
from baleen_contracts.option_trade import OptionTrade
from baleen_contracts.price import Price
from baleen_contracts.raw import Raw
from baleen_contracts.session import SessionEvent
from baleen_contracts.signals import AgentInsight, MarketData, Narrative, Signal

__all__ = ["CATALOGUE", "Delivery", "Entity", "by_name", "entity_of", "example", "streams"]

_READERS: Final = ("ws-gateway", "other teams")


def _upstream(model: type[Contract], keys: str, stream: str, delivery: Delivery, summary: str) -> Entity:
    return _entity(model, f"{model.type}.{keys}", stream, delivery, "uw-ingest", _READERS, summary)


def _published(model: type[Contract], subject: str, stream: str, summary: str) -> Entity:
    return _entity(model, subject, stream, Delivery.EVERY, "any publisher", _READERS, summary)


def _entity(  # noqa: PLR0917 - the columns of the table below, in its order
    model: type[Contract],
    subject: str,
    stream: str | None,
    delivery: Delivery,
    producer: str,
    consumers: tuple[str, ...],
    summary: str,
) -> Entity:
    pattern = ".".join(_wildcard(part) for part in subject.split("."))
    return Entity(model.entity, model, subject, pattern, stream, delivery, producer, consumers, summary)


def _wildcard(part: str) -> str:
    if part == "{path…}":
        return ">"
    return "*" if part.startswith("{") else part


CATALOGUE: Final[tuple[Entity, ...]] = (
    _upstream(OptionTrade, "{symbol}", "TAPE", Delivery.EVERY, "A print of the option tape."),
    _upstream(
        FlowAlert,
        "{symbol}",
        "TAPE",
        Delivery.EVERY,
        "A burst of option prints that a rule found noteworthy.",
    ),
    _upstream(DarkPool, "{symbol}", "TAPE", Delivery.EVERY, "A stock print off the exchanges."),
    _upstream(LitTrade, "{symbol}", "TAPE", Delivery.EVERY, "A stock print on an exchange."),
    _upstream(Price, "{symbol}", "LATEST", Delivery.LATEST, "A stock's last price and session volume."),
    _upstream(Gex, "{symbol}", "LATEST", Delivery.LATEST, "Dealer exposure of a ticker."),
    _upstream(
        GexStrike, "{symbol}.{strike}", "LATEST", Delivery.LATEST, "Dealer exposure of a ticker at a strike."
    ),
    _upstream(
        GexStrikeExpiry,
        "{symbol}.{expiry}.{strike}",
        "LATEST",
        Delivery.LATEST,
        "Dealer exposure of a ticker at a strike of one expiry.",
    ),
    _upstream(
        MarketTide, "_", "TAPE", Delivery.EVERY, "Net option flow of the market, a two-second increment."
    ),
    _upstream(
        NetFlow, "{symbol}", "TAPE", Delivery.EVERY, "Net option flow of a ticker, a two-second increment."
    ),
    _upstream(
        IntervalFlow,
        "{symbol}.{interval_type}",
        "LATEST",
        Delivery.LATEST,
        "Option flow of a ticker in a five-minute window, told again while it fills.",
    ),
    _upstream(News, "_", "RECORDS", Delivery.EVERY, "A headline."),
    _upstream(TradingHalt, "{symbol}", "TAPE", Delivery.EVERY, "A stock was halted, paused or resumed."),
    _upstream(
        CustomAlert,
        "{symbol}",
        "CUSTOM",
        Delivery.EVERY,
        "An alert that the account's owner configured upstream.",
    ),
    _upstream(
        MarketMover, "{symbol}", "LATEST", Delivery.LATEST, "A stock's place among those that move the most."
    ),
    _upstream(
        CongressTrade, "{symbol}", "RECORDS", Delivery.EVERY, "A trade that a member of congress disclosed."
    ),
    _upstream(
        Raw, "{channel}.{key}", "TAPE", Delivery.EVERY, "An upstream payload that has no contract yet."
    ),
    _upstream(FeedStatus, "{feed}", "FEED", Delivery.LATEST, "How a feed stands."),
    _upstream(FeedGap, "{feed}", "FEED", Delivery.EVERY, "Messages of a feed are missing and will not come."),
    _entity(
        Alert,
        "alert.v1.{alert_type}.{symbol}",
        "ALERT",
        Delivery.EVERY,
        "alert-bridge",
        ("ws-gateway", "alert-bridge", "other teams"),
        "An alert of trading code, a monitor or a tool.",
    ),
    _published(Signal, "signal.v1.{symbol}", "SIGNAL", "A trading signal."),
    _entity(
        MarketData,
        "market.v1.{symbol}",
        "MARKET",
        Delivery.LATEST,
        "any publisher",
        _READERS,
        "A ticker's market data as its publisher sees it.",
    ),
    _published(AgentInsight, "agent.v1.{agent}", "AGENT", "What an analysing agent found."),
    _published(Narrative, "narrative.v1._", "NARRATIVE", "The market told as a story."),
    _entity(
        SessionEvent,
        "session.v1.{session_id}.{event}",
        "SESSION",
        Delivery.EVERY,
        "backtest and forward-test engines",
        _READERS,
        "An event of a backtest or forward-test session.",
    ),
    _published(BridgeEvent, "bridge.v1.event.{event_type}", "BRIDGE", "An event of a trading process's bus."),
    _entity(
        BridgeState,
        "bridge.v1.state.{path…}",
        "BRIDGE",
        Delivery.LATEST,
        "any publisher",
        _READERS,
        "The value at a path of a trading process's state; a tombstone when deleted.",
    ),
    _entity(
        CommandRequest,
        "command.v1.{target}.{name}",
        None,
        Delivery.REQUEST,
        "ws-gateway",
        ("session engines", "uw-ingest", "ws-gateway"),
        "An order to an engine or to uw-ingest, or a gateway's question to another; answered by a reply.",
    ),
    _entity(
        DeadLetter,
        "dead.v1.alert.{destination}",
        "DEAD",
        Delivery.EVERY,
        "alert-bridge",
        ("operators",),
        "An alert that a destination would not take.",
    ),
    _entity(
        Redelivery,
        "dead.v1.redeliver.{destination}",
        "DEAD",
        Delivery.EVERY,
        "alert-bridge",
        ("alert-bridge",),
        "A dead letter that somebody sends again.",
    ),
)

_BY_NAME: Final[Mapping[str, Entity]] = {entity.name: entity for entity in CATALOGUE}


def _by_literal_tokens() -> dict[tuple[str, ...], Entity]:
    """Keys by the tokens before the first variable one.

    Two (``signal.v1``) or three (``uw.v1.gex``) of them.
    """
    found: dict[tuple[str, ...], Entity] = {}
    for entity in CATALOGUE:
        parts = entity.pattern.split(".")
        literal = tuple(parts[: 2 if parts[2] in ("*", "_") else 3])
        found[literal] = entity
    return found


_BY_LITERAL: Final = _by_literal_tokens()
_TOKENS: Final = {entity.name: entity.pattern.count(".") + 1 for entity in CATALOGUE}


@lru_cache(maxsize=1 << 16)  # readers ask for every message; bounded, since clients may ask for anything
def entity_of(subject: str) -> Entity | None:
    """The entity whose messages travel on a public subject; None for a subject of no entity."""
    parts = tuple(subject.split("."))
    entity = _BY_LITERAL.get(parts[:3]) or _BY_LITERAL.get(parts[:2])
    if entity is None or "" in parts:
        return None
    wanted = _TOKENS[entity.name]
    fits = len(parts) >= wanted if entity.pattern.endswith(">") else len(parts) == wanted
    return entity if fits and (not entity.pattern.endswith("._") or parts[-1] == "_") else None


def by_name(name: str) -> Entity:
    """The entity of that name.

    Raises:
        KeyError: there is none.
    """
    return _BY_NAME[name]


def streams() -> dict[str, tuple[str, ...]]:
    """Every stream with the patterns of the public subjects it holds, in the catalogue's order."""
    found: dict[str, tuple[str, ...]] = {}
    for entity in CATALOGUE:
        if entity.stream is not None:
            found[entity.stream] = (*found.get(entity.stream, ()), entity.pattern)
    return found


def example(entity: Entity) -> dict[str, Any]:
    """A real-looking body of the entity, which its tests use too."""
    text = files("baleen_contracts").joinpath("examples", f"{entity.name}.json").read_text(encoding="utf-8")
    body: dict[str, Any] = json.loads(text)
    return body
