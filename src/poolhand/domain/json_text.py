"""Parsing JSON that strangers wrote, without trusting the interpreter's recursion limit.

A library of ours (py_ecc, through eth_account) raises that limit so far that a text of a hundred
thousand brackets overflows the C stack and kills the process. So nesting is counted first.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

MAX_DEPTH: Final = 64
"""Levels of arrays and objects in one text; no message of the protocol needs ten."""

_MARK: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


def parse_json(text: str | bytes, **hooks: Any) -> Any:
    """Parse a JSON text; ``hooks`` are those of ``json.loads``.

    Raises:
        ValueError: Not JSON, not UTF-8, or nested deeper than ``MAX_DEPTH``.
    """
    read = text.decode() if isinstance(text, bytes) else text
    if read.count("[") + read.count("{") > MAX_DEPTH and _depth(read) > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    return json.loads(read, **hooks)


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
