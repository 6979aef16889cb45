"""Does a client's record equal the stream's? Pure.

A record is what a client heard, message by message, in the order of arrival. It is compared with what the
stream holds of the client's topics, both as keys: numbers of the stream, or marks inside the messages.
"""

from collections import Counter
from collections.abc import Sequence

Key = int | str


def wrong_in(heard: Sequence[Key], kept: Sequence[Key]) -> list[str]:
    """Say what is wrong in a record that must be all of *kept*, once and in its order; nothing if right."""
    if list(heard) == list(kept):
        return []
    told, known = Counter(heard), set(kept)
    missing = [key for key in kept if key not in told]
    doubled = [key for key, times in told.items() if times > 1]
    strangers = [key for key in told if key not in known]
    wrong = [
        _named("missing", missing),
        _named("heard twice", doubled),
        _named("not in the stream", strangers),
    ]
    return [words for words in wrong if words] or ["all is there, and in another order"]


def wrong_between(heard: Sequence[Key], kept: Sequence[Key]) -> list[str]:
    """Say what is wrong in a record that must be all of *kept* between its own first and last message."""
    if not heard:
        return []
    place = {key: number for number, key in enumerate(kept)}
    if heard[0] not in place or heard[-1] not in place:
        return wrong_in(heard, [])
    return wrong_in(heard, kept[place[heard[0]] : place[heard[-1]] + 1])


def _named(what: str, keys: Sequence[Key]) -> str:
    return f"{len(keys)} {what}, such as {keys[0]}" if keys else ""
