"""What a form asks for, in plain words, where pydantic's are a programmer's.

Source: pydantic 2, `usage/validation_errors` (kinds and what their ``ctx`` holds).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from poolhand.domain.text import shown

_PHRASES: Final = {
    "bool_parsing": "takes true or false",
    "bool_type": "takes true or false",
    "dict_type": "takes an object",
    "extra_forbidden": "is not known here",
    "float_parsing": "takes a number",
    "float_type": "takes a number",
    "greater_than": "takes more than {gt}",
    "greater_than_equal": "takes {ge} or more",
    "int_from_float": "takes a whole number",
    "int_parsing": "takes a whole number",
    "int_parsing_size": "takes a number of fewer digits",
    "int_type": "takes a whole number",
    "json_invalid": "is no JSON",
    "less_than": "takes less than {lt}",
    "less_than_equal": "takes {le} or less",
    "list_type": "takes a list",
    "literal_error": "takes {expected}",
    "enum": "takes {expected}",
    "missing": "is missing",
    "model_attributes_type": "takes an object",
    "model_type": "takes an object",
    "string_pattern_mismatch": "takes a text like {pattern}",
    "string_too_long": "takes {max_length} characters or fewer",
    "string_too_short": "takes {min_length} characters or more",
    "string_type": "takes a text",
}
_BARE: Final = frozenset({"missing", "extra_forbidden", "json_invalid"})
"""Kinds that are told without what was given."""
MOST_GIVEN_REPEATED: Final = 60
"""Characters of what was given that are repeated."""


def form_fault(name: str, error: Mapping[str, Any]) -> str:
    """Return a sentence about one error of pydantic's.

    Args:
        name: Of the value, as the person knows it.
        error: With ``type``, ``msg``, ``input`` and ``ctx``, as ``ValidationError.errors`` has it.
    """
    kind = str(error.get("type"))
    phrase = _PHRASES.get(kind)
    if phrase is None:
        return f"{name}: {shown(str(error.get('msg')), 200)}"
    told = f"{name} {phrase.format_map(_Missing(error.get('ctx') or {}))}"
    return told if kind in _BARE else f"{told}, not {_given(error.get('input'))}"


def _given(value: Any) -> str:
    is_word = isinstance(value, str) and not value.lstrip("-").isdigit()
    return shown(repr(value) if is_word else str(value), MOST_GIVEN_REPEATED)


class _Missing(dict[str, Any]):
    """Leaves out what an error does not tell."""

    def __missing__(self, key: str) -> str:
        return "another value"
