"""Who was sent away and comes back: known by what it says, for a while, within a bound."""

from datetime import UTC, datetime, timedelta

from alert_bridge.receive import again
from alert_bridge.receive.again import SentAway
from baleen_contracts.alert import Alert

NOW = datetime(2026, 4, 27, 14, 31, 2, tzinfo=UTC)


def alert(said: str, *, name: str = "1", source: str = "bot", at: datetime = NOW) -> Alert:
    """An alert with an id that we made."""
    return Alert(id=name, alert_type="a", source=source, content=said, occurred_at=at)


def test_the_same_words_of_the_same_source_have_the_first_id():
    """Whatever its own id and time; other words and other senders are others."""
    away = SentAway()
    away.note(alert("x", name="first"), 0.0)

    later = alert("x", name="second", at=NOW + timedelta(seconds=5))
    assert away.id_of(later, 5.0) == "first"
    assert away.id_of(alert("y"), 5.0) is None
    assert away.id_of(alert("x", source="other"), 5.0) is None


def test_who_was_stored_is_not_known_any_more():
    """The next time it is another alert, and after a while as well."""
    away = SentAway()
    away.note(alert("x", name="first"), 0.0)
    away.note(alert("y", name="other"), 0.0)

    away.forget(alert("x", name="second"))

    assert away.id_of(alert("x"), 1.0) is None
    assert away.id_of(alert("y"), again.WITHIN - 1) == "other"
    assert away.id_of(alert("y"), again.WITHIN) is None


def test_the_oldest_gives_way(monkeypatch):
    """An outage of any length keeps no more than its bound."""
    monkeypatch.setattr(again, "MOST", 3)
    away = SentAway()
    for number in range(5):
        away.note(alert(str(number), name=str(number)), 0.0)

    assert [away.id_of(alert(str(number)), 1.0) for number in range(5)] == [None, None, "2", "3", "4"]
