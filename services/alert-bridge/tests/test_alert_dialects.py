"""What other programs send, read into alerts: every field in its place, and nothing of the original gone."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_bridge.errors import AlertBridgeError, Empty, Invalid, TooLarge, Unreadable
from alert_bridge.receive.dialects.alertmanager import MOST, read_group
from alert_bridge.receive.dialects.anyjson import read_any
from alert_bridge.receive.dialects.apprise import read_apprise
from alert_bridge.receive.dialects.tradingview import read_tradingview
from alert_bridge.receive.source import Source
from alert_bridge.receive.told import CUT, Told
from alert_bridge.receive.values import found_in, moment_of, severity_of
from baleen_contracts.alert import Alert

NOW = datetime(2026, 4, 27, 14, 31, 2, 5, tzinfo=UTC)
BOT = Source(name="bot", id="1" * 18, token="t" * 68)
READERS = {
    "json": read_any,
    "alertmanager": read_group,
    "grafana": read_group,
    "tradingview": read_tradingview,
    "apprise": read_apprise,
}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


def told(said, dialect: str = "json", *, sender: Source | None = BOT, key: str | None = None) -> Told:
    """One request that says *said*."""
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    return Told(dialect, body, sender, key, "fresh", NOW)


def one(said, dialect: str = "json", **how) -> Alert:
    """The one alert in it."""
    [alert] = READERS[dialect](told(said, dialect, **how))
    return alert


FIRING = {
    "status": "firing",
    "labels": {"alertname": "Lag", "severity": "page", "symbol": "SPY", "instance": "a:1"},
    "annotations": {"summary": "It lags", "description": "by 9 s", "runbook": "r"},
    "startsAt": "2026-04-27T14:00:00.5Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus/graph",
    "fingerprint": "a1b2c3d4e5f60718",
}
GROUP = {
    "version": "4",
    "groupKey": '{}:{alertname="Lag"}',
    "truncatedAlerts": 0,
    "status": "firing",
    "receiver": "bridge",
    "groupLabels": {"alertname": "Lag"},
    "commonLabels": {"alertname": "Lag"},
    "commonAnnotations": {},
    "externalURL": "http://alertmanager",
    "alerts": [FIRING],
}


def test_an_alertmanager_alert_keeps_all_it_says():
    """Title, text, severity, symbol and time in their fields; everything of it and its group in a label."""
    alert = one(GROUP, "alertmanager")

    assert (alert.title, alert.content, alert.severity, alert.symbol) == (
        "It lags",
        "by 9 s",
        "critical",
        "SPY",
    )
    assert (alert.alert_type, alert.source, alert.url) == ("alertmanager", "bot", "http://prometheus/graph")
    assert alert.occurred_at == datetime(2026, 4, 27, 14, 0, 0, 500_000, tzinfo=UTC)
    assert {name: alert.labels[name] for name in FIRING["labels"]} == FIRING["labels"]
    assert {alert.labels[f"annotation.{name}"] for name in FIRING["annotations"]} == {
        "It lags",
        "by 9 s",
        "r",
    }
    for name in ("status", "startsAt", "endsAt", "generatorURL", "fingerprint"):
        assert alert.labels[f"alert.{name}"] == FIRING[name]
    for name in GROUP.keys() - {"alerts"}:
        kept = alert.labels[f"alertmanager.{name}"]
        assert kept == GROUP[name] or json.loads(kept) == GROUP[name]


def test_a_resolved_alert_is_another_one():
    """It says so in its title, is dated by its end, and has an id of its own."""
    ended = {**FIRING, "status": "resolved", "endsAt": "2026-04-27T14:10:00Z"}

    firing, resolved = one(GROUP, "alertmanager"), one({**GROUP, "alerts": [ended]}, "alertmanager")

    assert (firing.title, resolved.title) == ("It lags", "[RESOLVED] It lags")
    assert resolved.occurred_at == datetime(2026, 4, 27, 14, 10, tzinfo=UTC)
    assert firing.message_id != resolved.message_id


def test_a_pair_of_alertmanagers_tells_the_same_alert():
    """Fingerprint, start and status make the id, whatever the rest of the group says and whenever."""
    other = {**GROUP, "receiver": "other", "groupKey": "x", "alerts": [{**FIRING, "generatorURL": "y"}]}

    assert one(GROUP, "alertmanager").message_id == one(other, "alertmanager", key="k").message_id


def test_without_a_fingerprint_the_labels_tell():
    """Two alerts of one group differ, and each is the same the next time."""
    bare = [{"labels": {"alertname": name}, "startsAt": "2026-04-27T14:00:00Z"} for name in ("a", "b", "a")]

    first, second, again = read_group(told({**GROUP, "alerts": bare}, "alertmanager"))

    assert first.message_id == again.message_id != second.message_id


def test_labels_of_ones_own_never_hide_what_is_told():
    """A label that is called as ours is kept under another name."""
    labels = {"alertname": "Lag", "alert.status": "mine", "alertmanager.receiver": "mine"}

    alert = one({**GROUP, "alerts": [{**FIRING, "labels": labels}]}, "alertmanager")

    assert (alert.labels["alert.status"], alert.labels["label.alert.status"]) == ("firing", "mine")
    assert alert.labels["label.alertmanager.receiver"] == "mine"


def test_a_template_of_ones_own_is_any_json():
    """Alertmanager lets users replace the whole payload."""
    alert = one({"text": "custom", "level": "warn"}, "alertmanager")

    assert (alert.content, alert.severity, alert.alert_type) == ("custom", "warning", "alertmanager")
    assert one(b"only words", "alertmanager").content == "only words"


def test_a_grafana_alert_keeps_its_values_and_urls():
    """Values, panel, silence and what the group says as a whole."""
    inner = {
        **FIRING,
        "values": {"B": 22.5, "C": 1},
        "valueString": "[ var='B' value=22.5 ]",
        "silenceURL": "http://grafana/silence",
        "dashboardURL": "http://grafana/d",
        "panelURL": "http://grafana/d?viewPanel=1",
        "ruleUID": "u",
    }
    group = {**GROUP, "version": "1", "orgId": 1, "title": "t", "state": "alerting", "message": "m"}

    alert = one({**group, "alerts": [inner]}, "grafana")

    assert alert.url == "http://grafana/d?viewPanel=1"
    assert json.loads(alert.labels["alert.values"]) == inner["values"]
    assert alert.labels["alert.valueString"] == inner["valueString"]
    assert (alert.labels["grafana.message"], alert.labels["grafana.orgId"]) == ("m", "1")
    assert alert.alert_type == "grafana"


def test_a_group_is_bounded():
    """Too many alerts are refused, and so is a small body that would become a large many."""
    many = [{**FIRING, "fingerprint": str(number)} for number in range(MOST + 1)]
    wide = {**GROUP, "commonAnnotations": {"x": "y" * 100_000}, "alerts": many[:MOST]}

    with pytest.raises(Invalid, match="max_alerts"):
        read_group(told({**GROUP, "alerts": many}, "alertmanager"))
    with pytest.raises(TooLarge, match="max_alerts"):
        read_group(told(wide, "alertmanager"))


def test_tradingview_text_is_the_alert():
    """What somebody typed, whole; the symbol is the source's, if it has one."""
    sender = BOT.model_copy(update={"symbol": "SPY", "severity": "info"})
    alert = one("SPY crossed 600 ↑".encode(), "tradingview", sender=sender)

    assert (alert.content, alert.symbol, alert.severity) == ("SPY crossed 600 ↑", "SPY", "info")
    assert alert.alert_type == "tradingview"


def test_tradingview_json_has_a_ticker():
    """An exchange before it is left to the labels."""
    said = {"ticker": "NASDAQ:AAPL", "close": 190.5, "time": "2026-04-27T14:30:00Z", "message": "cross"}

    alert = one(said, "tradingview")

    assert (alert.symbol, alert.content, alert.labels["ticker"]) == ("AAPL", "cross", "NASDAQ:AAPL")
    assert alert.occurred_at == datetime(2026, 4, 27, 14, 30, tzinfo=UTC)
    assert alert.labels["close"] == "190.5"


def test_tradingview_text_that_only_looks_like_json_is_text():
    """A brace in what somebody typed loses nothing."""
    assert one(b"{{ticker}} crossed", "tradingview").content == "{{ticker}} crossed"


def test_any_json_is_read_by_usual_names():
    """The first usual name that fits; the original is kept to the letter."""
    body = (
        b'{ "subject":"s", "text":"t", "level":"WARN", "ticker":"SPY", "ts":1777300262, "id":"a b", "n":1e2 }'
    )

    alert = one(body)

    assert (alert.title, alert.content, alert.severity, alert.symbol) == ("s", "t", "warning", "SPY")
    assert alert.occurred_at == datetime(2026, 4, 27, 14, 31, 2, tzinfo=UTC)
    assert alert.labels["raw"] == body.decode()


def test_an_id_in_any_json_may_be_that_of_a_thing():
    """The same words are the same alert; other words about the same thing are another."""
    opened, closed = ({"id": 7, "dedup_key": "k", "text": what} for what in ("opened", "closed"))

    assert one(opened).message_id == one(opened).message_id != one(closed).message_id
    assert one(opened).id.startswith("7:")
    assert one({"id": "a b", "text": "t"}).id != "fresh"


def test_any_json_without_a_usual_name_shows_itself():
    """People see what there is."""
    assert one({"x": {"y": 1}}).content == '{"x": {"y": 1}}'


def test_wrong_kinds_are_passed_over():
    """A field that is no text of its kind is left to the raw body; nothing is refused for it."""
    alert = one(
        {"title": {"a": 1}, "summary": "s", "message": [1], "severity": 5, "time": "soon", "id": None}
    )

    assert (alert.title, alert.content, alert.severity) == ("s", None, "5")
    assert (alert.occurred_at, alert.id) == (NOW, "fresh")


def test_a_source_says_where_its_fields_are():
    """Paths with dots, places of lists, names that hold dots; what is not there is as usual."""
    fields = {"symbol": "labels.ticker", "title": "rule.names.1", "severity": "a.b", "content": "none.such"}
    sender = BOT.model_copy(update={"fields": fields, "alert_type": "desk"})
    said = {"labels": {"ticker": "QQQ"}, "rule": {"names": ["x", "y"]}, "a.b": "crit", "text": "t"}

    alert = one(said, sender=sender)

    assert (alert.symbol, alert.title, alert.severity) == ("QQQ", "y", "critical")
    assert (alert.content, alert.alert_type) == ("t", "desk")


def test_a_long_text_is_cut_with_a_mark_and_kept_whole():
    """Nothing is cut in silence."""
    said = {"title": "t" * 5_000, "message": "m" * 50_000}

    alert = one(said)

    assert (len(alert.title), alert.title[-1], len(alert.content)) == (1_000, "…", 20_000)
    assert set(alert.labels[CUT].split(",")) == {"title", "content"}
    assert json.loads(alert.labels["raw"]) == said
    assert one(b"w" * 30_000).labels["raw"] == "w" * 30_000


def test_apprise_names_its_files():
    """Title, message and type; a file is named with its size."""
    said = {
        "version": "1.0",
        "title": "T",
        "message": "M",
        "type": "failure",
        "attachments": [{"filename": "a.png", "base64": "AAAA" * 10, "mimetype": "image/png"}],
        "own": 5,
    }

    alert = one(said, "apprise")

    assert (alert.title, alert.content, alert.severity) == ("T", "M", "error")
    assert alert.labels["apprise.own"] == "5"
    assert alert.labels["apprise.type"] == "failure"
    [file] = json.loads(alert.labels["apprise.attachments"])
    assert file == {"filename": "a.png", "mimetype": "image/png", "size": 30}


@pytest.mark.parametrize(
    ("dialect", "body", "error"),
    [
        ("json", b"", Empty),
        ("json", b"   ", Empty),
        ("json", b"{}", Empty),
        ("json", b'{"a":null}', Empty),
        ("json", b"[1]", Unreadable),
        ("json", b"{", Unreadable),
        ("json", b"\xff", Unreadable),
        ("json", b'{"a":' * 70 + b"1" + b"}" * 70, Invalid),
        ("alertmanager", b"", Empty),
        ("grafana", b'{"alerts":[]}', None),
        ("tradingview", b"\xff", Unreadable),
        ("tradingview", b" ", Empty),
        ("apprise", b'{"title":""}', Empty),
        ("apprise", b"words", Unreadable),
        ("apprise", b"[]", Unreadable),
    ],
)
def test_what_says_nothing_is_refused(dialect, body, error):
    """With a sentence; never a crash."""
    if error is None:
        assert one(body, dialect)
        return
    with pytest.raises(error):
        READERS[dialect](told(body, dialect))


def test_without_a_sender_the_dialect_is_the_source():
    """Where nobody has to prove who he is, the body may say it."""
    assert one({"message": "m"}, sender=None).source == "json"
    assert one({"message": "m", "source": "nagios"}, sender=None).source == "nagios"
    assert one({"message": "m", "source": "nagios"}).source == "bot"


@pytest.mark.parametrize(
    ("value", "severity"),
    [
        ("WARN", "warning"),
        ("Crit", "critical"),
        ("p1", "p1"),
        (3, "3"),
        (None, None),
        (True, None),
        ([], None),
    ],
)
def test_words_for_severity(value, severity):
    """Usual words are understood, others carried."""
    assert severity_of(value) == severity


@pytest.mark.parametrize(
    "value", [1777300262, 1777300262000, 1777300262000000, "1777300262", "2026-04-27T14:31:02Z"]
)
def test_times_are_told_by_their_size(value):
    """Seconds, milliseconds, microseconds, or a text."""
    assert moment_of(value) == datetime(2026, 4, 27, 14, 31, 2, tzinfo=UTC)


@given(value=json_values)
def test_any_value_is_a_time_or_none(value):
    """Nothing that could be sent for a time breaks."""
    moment = moment_of(value)
    assert moment is None or moment.tzinfo is UTC


@given(said=json_values, path=st.text(max_size=12))
def test_looking_somewhere_never_breaks(said, path):
    """Whatever the path and whatever is there."""
    if isinstance(said, dict):
        found_in(said, path)


shaped_like_a_group = st.fixed_dictionaries(
    {
        "alerts": st.lists(
            st.fixed_dictionaries(
                {"labels": st.dictionaries(st.text(max_size=8), json_values, max_size=3)},
                optional=dict.fromkeys(
                    ("annotations", "startsAt", "status", "fingerprint", "endsAt"), json_values
                ),
            ),
            max_size=3,
        )
    },
    optional=dict.fromkeys(("version", "groupKey", "status", "title"), json_values),
)
anything = st.one_of(
    json_values.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=60),
    shaped_like_a_group.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(
        st.sampled_from(
            ["title", "message", "text", "severity", "level", "ticker", "symbol", "ts", "id", "type"]
        ),
        json_values,
        max_size=5,
    ).map(lambda value: json.dumps(value).encode()),
)


@pytest.mark.parametrize("dialect", READERS)
@settings(max_examples=300)
@given(body=anything)
def test_any_body_is_an_alert_or_a_sentence(dialect, body):
    """What is read can be stored and read back; what cannot be read is refused, and nothing else happens."""
    try:
        alerts = READERS[dialect](told(body, dialect))
    except AlertBridgeError:
        return
    for alert in alerts:
        assert Alert.model_validate_json(alert.to_json()).labels == alert.labels
        assert alert.subject.startswith("alert.v1.")
        assert alert.message_id
