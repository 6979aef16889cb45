"""A small safe language that says which messages are wanted: `premium >= 100000 and side == "ask"`. Pure.

On the road of a text: words, parser, tree, meaning, code, filter.
"""

from baleen_filters.errors import FilterFlawed
from baleen_filters.fields import FieldType, fields_of
from baleen_filters.filter import Filter, compile_filter

__all__ = ["FieldType", "Filter", "FilterFlawed", "compile_filter", "fields_of"]
