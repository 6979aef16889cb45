"""What filters cost: to ask one of a message, and to compile one.

.venv/bin/python -m bench.filters            # --small sees in a second that it works
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import timeit

from baleen_contracts import by_name, example
from baleen_filters import compile_filter, fields_of

_TRADE = by_name("option_trade")
_ASKED = (
    "premium >= 1",
    'side == "bid"',
    'premium >= 1 and side == "bid"',
    'symbol in ["SPY", "QQQ", "TSLA"]',
    'tags contains "bearish"',
    "volume > open_interest",
    'occurred_at >= "2025-05-16T14:30:00Z"',
    'expiry <= "2025-06-20"',
    " and ".join(["size >= 1"] * 32),
)
_KINDS = ("size > {0}", 'side != "{0}"', "price is not null")


def main() -> int:
    """Print a table: nanoseconds a message, best of several rounds, the call included."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="few rounds")
    rounds, times = (2, 1_000) if parser.parse_args().small else (20, 20_000)
    fields = fields_of([_TRADE.model])
    body = json.loads(json.dumps(example(_TRADE)))
    print(f"{'filter':60} ns/message")
    for text in _ASKED:
        matches = compile_filter(text, fields).matches
        took = min(timeit.repeat("matches(body)", globals=locals(), number=times, repeat=rounds)) / times
        print(f"{text[:58]:60} {took * 1e9:10.0f}")
    numbers = itertools.count()
    for terms, kinds in ((2, 1), (32, len(_KINDS))):
        took = min(
            timeit.repeat(
                lambda terms=terms, kinds=kinds: compile_filter(_new(next(numbers), terms, kinds), fields),
                number=1,
                repeat=rounds * 5,
            )
        )
        shape = "of a known shape" if kinds == 1 else "of a new shape"
        print(f"{f'to compile {terms} comparisons, {shape}':60} {took * 1e9:10.0f}")
    return 0


def _new(number: int, terms: int, kinds: int) -> str:
    """A text never seen before; its shape is new too if the comparisons are of several kinds."""
    return " or ".join(_KINDS[number // 3**place % kinds].format(number) for place in range(terms))


if __name__ == "__main__":
    sys.exit(main())
