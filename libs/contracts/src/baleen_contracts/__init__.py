"""What travels: messages, subjects, versions and schemas. Pure, and nothing but pydantic underneath."""

from baleen_contracts.catalogue import CATALOGUE, Delivery, Entity, by_name, entity_of, example, streams
from baleen_contracts.message import Contract, Message, PublishedMessage
from baleen_contracts.tokens import token, untoken

__all__ = [
    "CATALOGUE",
    "Contract",
    "Delivery",
    "Entity",
    "Message",
    "PublishedMessage",
    "by_name",
    "entity_of",
    "example",
    "streams",
    "token",
    "untoken",
]
