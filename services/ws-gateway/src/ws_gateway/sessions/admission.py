"""Whether somebody may watch a session. Pure."""

from __future__ import annotations

from baleen_contracts.session import SessionType
from baleen_contracts.session_entry import SessionEntry
from baleen_contracts.tokens import token
from ws_gateway.doors.rights import Identity


def topic_of(session_id: str) -> str:
    """Return the topic of all events of a session.

    Raises:
        ValueError: there can be no session of that id.
    """
    return f"session.v1.{token(session_id)}.*"


def may_watch(identity: Identity, entry: SessionEntry | None, wanted: SessionType) -> bool:
    """Return whether *identity* may watch the session of *entry* as one of the type *wanted*.

    The session must exist and be of that type. Where tokens are asked for, it must belong to the token's
    subject; a session without an owner is nobody's. A token that names what may be heard is held to that; one
    that names nothing, as the application's own, says who its bearer is, which is enough here.
    """
    if entry is None or entry.session_type != wanted:
        return False
    heard = identity.may_subscribe(topic_of(entry.session_id))
    if identity.subject is None:
        return heard
    return identity.subject == entry.owner and (heard or not identity.subscribe)
