"""OCC option symbols: ``SPY250516C00590000`` is the SPY call of 16 May 2025 at 590 dollars. Pure."""

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final

from baleen_contracts.fields import OptionType

_FORM: Final = re.compile(r"([A-Z0-9.^]{1,6}) {0,5}([0-9]{2})([0-9]{2})([0-9]{2})([CP])([0-9]{8})", re.ASCII)


@dataclass(frozen=True, slots=True)
class OptionSymbol:
    """The four things an OCC symbol says. The strike is in US dollars."""

    underlying: str
    expiry: date
    option_type: OptionType
    strike: float

    @staticmethod
    @lru_cache(maxsize=1 << 16)
    def parse(text: str) -> "OptionSymbol":
        """Reads an OCC symbol, padded with spaces after the root or not.

        Raises:
            ValueError: the text is none.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError(f"{text[:40]!r} is no OCC option symbol")
        root, year, month, day, letter, thousandths = found.groups()
        try:
            expiry = date(2000 + int(year), int(month), int(day))
        except ValueError as error:
            raise ValueError(f"{text!r} expires on no day of the calendar") from error
        return OptionSymbol(root, expiry, "call" if letter == "C" else "put", int(thousandths) / 1_000)

    def __str__(self) -> str:
        letter = self.option_type[0].upper()
        return f"{self.underlying}{self.expiry:%y%m%d}{letter}{round(self.strike * 1_000):08d}"
