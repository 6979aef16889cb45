"""Says of a session that it exists, whose it is and how it stands; and reads what was said."""

from pydantic import ValidationError

from baleen_bus.buckets import SESSIONS
from baleen_bus.connection import Bus
from baleen_bus.kv import WITHIN, Bucket
from baleen_bus.kv_entry import key_token
from baleen_contracts.session_entry import SessionEntry


async def announce_session(bus: Bus, entry: SessionEntry, *, within: float = WITHIN) -> None:
    """Writes the entry over the session's former one; an engine does so before the first event.

    Raises:
        Unreachable, AccessRefused, ApiRefused: it is not known to be written.
    """
    await Bucket(bus, SESSIONS, within=within).put(key_token(entry.session_id), entry.to_json())


async def read_session(bus: Bus, session_id: str, *, within: float = WITHIN) -> SessionEntry | None:
    """The session's newest entry; None if there is none, or none that can be read.

    Raises:
        ValueError: the id is empty or no Unicode text.
        Unreachable, AccessRefused, ApiRefused: it cannot be read now, or not by this user.
    """
    found = await Bucket(bus, SESSIONS, within=within).read(key_token(session_id))
    if found is None or found.deleted:
        return None
    try:
        entry = SessionEntry.model_validate_json(found.value)
    except ValidationError:
        return None
    return entry if entry.session_id == session_id else None
