r"""Parsing JSON that strangers wrote: nothing comes out of it that cannot be handled or written.

A library of ours (py_ecc, through eth_account) raises the interpreter's recursion limit so far that
a text of a hundred thousand brackets overflows the C stack and kills the process. So nesting is
counted first. And ``"\ud800"`` is valid JSON for half of a surrogate pair, which Python takes and
no encoder gives out again: neither journal nor frame nor file name. So no text may hold one. Nor
may a number be infinite or none (``NaN``, ``1e999``): JSON has no such, and no integer comes of it.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NoReturn

from poolhand.domain.text import is_well_formed

MAX_JSON_DEPTH: Final = 64
"""Levels of arrays and objects in one text; no message of the protocol needs ten."""

_ESCAPED_HALF: Final = re.compile(r"\\u[dD][89a-fA-F]")
"""What every half of a pair, and every whole one, looks like where it is escaped."""
_MARK: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


class HalfPair(ValueError):
    """A text in the JSON is not valid Unicode."""


def parse_json(text: str | bytes, **hooks: Any) -> Any:
    """Parse a JSON text; ``hooks`` are those of ``json.loads``.

    Raises:
        HalfPair: A text in it holds half of a surrogate pair.
        ValueError: Not JSON, not UTF-8, deeper than ``MAX_JSON_DEPTH``, or a number is infinite.
    """
    read = text.decode() if isinstance(text, bytes) else text
    if read.count("[") + read.count("{") > MAX_JSON_DEPTH and _depth(read) > MAX_JSON_DEPTH:
        raise ValueError(f"nested deeper than {MAX_JSON_DEPTH} levels")
    found = json.loads(read, **{"parse_constant": _refuse, "parse_float": _finite, **hooks})
    if (_ESCAPED_HALF.search(read) or not is_well_formed(read)) and _has_half(found):
        raise HalfPair("a text holds half of a surrogate pair")
    return found


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


def _has_half(value: Any) -> bool:
    """Look through parsed JSON, which is at most ``MAX_JSON_DEPTH`` deep."""
    if isinstance(value, str):
        return not is_well_formed(value)
    if isinstance(value, dict):
        return any(_has_half(each) for pair in value.items() for each in pair)
    return isinstance(value, list) and any(map(_has_half, value))


def _depth(text: str) -> int:
    """Measure the deepest nesting, brackets inside of texts not counted."""
    depth = deepest = 0
    for found in _MARK.finditer(text):
        mark = found[0]
        if mark in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif mark in "]}":
            depth -= 1
    return deepest
