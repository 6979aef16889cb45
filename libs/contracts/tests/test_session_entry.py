"""What an engine says of its sessions."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from baleen_contracts.command import session_subject
from baleen_contracts.session_entry import SessionEntry

NOON = datetime(2026, 4, 27, 12, tzinfo=UTC)


def test_an_entry_travels_as_bare_json_without_what_is_absent():
    """An engine that knows no users leaves the owner out."""
    entry = SessionEntry(session_id="bt.7", session_type="backtest", updated_at=NOON)

    assert entry.to_json() == (
        b'{"session_id":"bt.7","session_type":"backtest","state":"running","updated_at":"2026-04-27T12:00:00Z"}'
    )
    assert SessionEntry.model_validate_json(entry.to_json()) == entry


@pytest.mark.parametrize("wrong", [{"session_id": ""}, {"session_id": "s" * 201}, {"owner": ""}])
def test_an_entry_without_a_usable_name_is_refused(wrong: dict[str, str]):
    """It would be a session that nobody can ask for, or a token without a subject that opens it."""
    with pytest.raises(ValidationError):
        SessionEntry(
            **{"session_id": "s", "session_type": "forward", "owner": "ann", "updated_at": NOON, **wrong}
        )


def test_orders_to_a_session_have_a_subject_of_their_own():
    """The id is one token, whatever is in it."""
    assert session_subject("bt.7") == "command.v1.session.bt%2E7"
