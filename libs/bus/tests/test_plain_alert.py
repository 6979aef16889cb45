"""What trading code holds in its hands becomes an alert, whole, or is refused with a sentence."""

import enum
import math
import re
from collections import OrderedDict
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType, SimpleNamespace
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from baleen_bus.doubts import Doubt, Doubts
from baleen_bus.plain_alert import NoAlert, alert_of, embeds_of, same_words
from baleen_bus.plain_json import NotPlain, plain
from baleen_contracts.alert import Alert

NOW = datetime(2026, 1, 5, 15, 30, tzinfo=UTC)
TEXTS = some.text(some.characters(exclude_categories=["Cs"]))
SCALARS = (
    some.none()
    | some.booleans()
    | some.integers(-(2**63), 2**64 - 1)
    | some.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
JSON = some.recursive(
    SCALARS, lambda inner: some.lists(inner) | some.dictionaries(TEXTS, inner), max_leaves=20
)
ANYTHING = some.recursive(
    SCALARS
    | some.text()
    | some.binary()
    | some.floats()
    | some.integers()
    | some.complex_numbers()
    | some.decimals()
    | some.datetimes()
    | some.dates()
    | some.uuids()
    | some.just(object()),
    lambda inner: (
        some.lists(inner)
        | some.frozensets(some.integers() | some.binary())
        | some.dictionaries(some.integers() | some.binary() | some.text(), inner)
        | some.tuples(inner, inner)
    ),
    max_leaves=20,
)


def alert(*said: object) -> Alert:
    """The alert in these arguments."""
    return alert_of(*said, id="a1", now=NOW)


UNHURRIED = settings(suppress_health_check=[HealthCheck.too_slow])
"""A busy machine makes data slowly, which says nothing about the code."""


@UNHURRIED
@given(JSON)
def test_what_is_json_stays_as_it_is(value):
    """To the letter."""
    assert plain(value) == value


@UNHURRIED
@given(ANYTHING)
def test_anything_becomes_json_that_travels(value):
    """And that the contract takes."""
    made = alert_of({"title": "t", "value": value}, id="a1", now=NOW)

    assert Alert.model_validate_json(made.to_json()).embed == made.embed


def _shown(value: object) -> str:
    """What a test is called after; without addresses, so that all processes of a run call it the same."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


class Colour(enum.Enum):
    """As trading code has it."""

    ORANGE = 0xFF9500


class Number:
    """As numpy's numbers: no int, no float, but ``item`` gives one."""

    def item(self) -> float:
        """The number."""
        return 590.5


@pytest.mark.parametrize(
    ("value", "made"),
    [
        (NOW, "2026-01-05T15:30:00+00:00"),
        (date(2026, 1, 5), "2026-01-05"),
        (Decimal("590.50"), 590.5),
        (math.nan, None),
        (math.inf, None),
        (2**64, str(2**64)),
        (Colour.ORANGE, 0xFF9500),
        (Number(), 590.5),
        ({3}, [3]),
        ((1, (2,)), [1, [2]]),
        (b"caf\xc3\xa9", "café"),
        ({1: {None: 2}}, {"1": {"None": 2}}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("\ud800", "?"),
    ],
    ids=_shown,
)
def test_what_python_has_beside_json_gets_its_nearest_form(value, made):
    """A price must not cost an alert because numpy has it."""
    assert plain(value) == made


def test_what_holds_itself_comes_to_an_end():
    """However often it does."""
    inside: list[object] = []
    inside += [inside, inside, 1]

    assert plain({"a": inside}) == {"a": ["…", "…", 1]}


def test_the_same_object_twice_is_no_circle():
    """Only what it stands in counts."""
    shared = {"a": 1}

    assert plain([shared, shared]) == [shared, shared]


def test_what_is_too_deep_is_cut():
    """Where the contracts would refuse it."""
    deep: object = "bottom"
    for _ in range(500):
        deep = {"d": deep}
    made = alert({"title": "t", "deep": deep})

    assert b"\xe2\x80\xa6" in made.to_json()


def test_what_is_far_too_much_is_refused():
    """Reading goes on for 20,000 values and no longer."""
    with pytest.raises(NotPlain):
        plain([[0] * 10_000] * 10_000)


class LikeDiscordPy:
    """An embed of discord.py, nextcord, disnake, py-cord."""

    __slots__ = ()

    def to_dict(self) -> dict[str, object]:
        """As the library has it."""
        return {"type": "rich", "flags": 0, "title": "t"}


class LikeDiscordWebhook:
    """An embed of discord-webhook: its attributes, most of them None."""

    def __init__(self) -> None:
        self.title = "t"
        self.description = None
        self.fields = [{"name": "n", "value": "v", "inline": None}]
        self._timestamp = 1.0


@pytest.mark.parametrize(
    ("embed", "embeds"),
    [
        ({"title": "t"}, [{"title": "t"}]),
        (OrderedDict(title="t"), [{"title": "t"}]),
        (LikeDiscordPy(), [{"type": "rich", "flags": 0, "title": "t"}]),
        (LikeDiscordWebhook(), [{"title": "t", "fields": [{"name": "n", "value": "v", "inline": None}]}]),
        ([{"title": "t"}, LikeDiscordPy()], [{"title": "t"}, {"type": "rich", "flags": 0, "title": "t"}]),
        (SimpleNamespace(title="t"), [{"title": "t"}]),
        ("only words", [{"description": "only words"}]),
        (None, []),
        ([], []),
        ("", []),
        ([None, {}], []),
    ],
    ids=_shown,
)
def test_an_embed_comes_in_many_forms(embed, embeds):
    """Those of the libraries that bots use, and lists of them."""
    assert embeds_of(embed) == embeds


@pytest.mark.parametrize("embed", [7, 1.5, True, object(), dict, print, LikeDiscordPy, {1, 2}], ids=_shown)
def test_what_is_no_embed_is_refused_by_the_name_of_its_type(embed):
    """And not by what it says."""
    with pytest.raises(NoAlert, match=f"embed: {type(embed).__name__} "):
        embeds_of(embed)


def test_several_embeds_make_one_alert():
    """Named after the first."""
    made = alert([{"title": "a"}, {"title": "b"}, {"title": "c"}], None, None, "", " ")

    assert (made.title, made.embed, made.more_embeds) == (
        "a",
        {"title": "a"},
        ({"title": "b"}, {"title": "c"}),
    )
    assert (made.alert_type, made.source, made.symbol) == ("general", "monitor", None)


def test_arguments_that_are_no_texts_are_said_as_texts():
    """An enum by its value."""

    class Kind(enum.Enum):
        RALLY = "rally"

    made = alert(None, 81, Kind.RALLY, UUID(int=1), "spy ")

    assert (made.content, made.alert_type, made.symbol) == ("81", "rally", "spy")


def test_a_refusal_holds_nothing_of_what_was_said():
    """It goes to a log."""
    with pytest.raises(NoAlert) as caught:
        alert({"title": "t"}, "secret" * 5_000)

    assert "content" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_equal_words_are_known_by_what_they_say():
    """Not by when, nor by which id."""
    again = alert_of({"title": "t"}, id="a2", now=NOW.replace(hour=16))

    assert same_words(again) == same_words(alert({"title": "t"}))
    assert same_words(again) != same_words(alert({"title": "t"}, "more"))


def test_a_doubt_is_taken_over_once_and_in_order():
    """Two attempts in doubt are two alerts."""
    doubts = Doubts(repeat_within=60, lasting=600)
    doubts.keep("w", Doubt("a", 0.0, 0.0))
    doubts.keep("w", Doubt("b", 1.0, 1.0))

    assert doubts.take("other", 2.0) is None
    assert [doubts.take("w", 2.0), doubts.take("w", 2.0), doubts.take("w", 2.0)] == [
        Doubt("a", 0.0, 0.0),
        Doubt("b", 1.0, 1.0),
        None,
    ]


def test_who_says_the_same_much_later_means_a_new_alert():
    """A repeat comes soon after the last attempt, however many there were."""
    doubts = Doubts(repeat_within=60, lasting=600)
    doubts.keep("w", Doubt("a", 0.0, 100.0))
    assert doubts.take("w", 159.0) == Doubt("a", 0.0, 100.0)

    doubts.keep("w", Doubt("a", 0.0, 159.0))
    assert doubts.take("w", 219.0) is None
    assert len(doubts) == 0


def test_a_doubt_is_forgotten_when_the_stream_may_have_forgotten_its_id():
    """Then the id would help nobody."""
    doubts = Doubts(repeat_within=60, lasting=600)
    doubts.keep("w", Doubt("a", 0.0, 590.0))

    assert doubts.take("w", 600.0) is None


def test_doubts_are_bounded():
    """The oldest go first."""
    doubts = Doubts(repeat_within=60, lasting=600, most=3)
    for number in range(5):
        doubts.keep(f"w{number}", Doubt(f"{number}", 0.0, 0.0))

    assert [doubts.take(f"w{number}", 1.0) is not None for number in range(5)] == [False] * 2 + [True] * 3
