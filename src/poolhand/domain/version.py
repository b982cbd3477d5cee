"""Which of two program versions is the newer one."""

from __future__ import annotations

import re
from typing import Final

_FORM: Final = re.compile(r"v?(\d{1,6}(?:\.\d{1,6}){0,4})([.+-]?[a-z].*|[+-].*)?", re.IGNORECASE)
_LATER: Final = re.compile(r"\+|[.-]?post", re.IGNORECASE)
"""Ends that name the release itself, built or packed anew; any other comes before it."""


def version_order(text: str) -> tuple[tuple[int, ...], bool]:
    """Return what orders versions: ``8.1.0`` comes after ``8.1.0-rc.1`` and equals ``v8.1+1``.

    Raises:
        ValueError: Not a version.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"'{text}' is not a version such as 1.2.3")
    numbers = [int(part) for part in found[1].split(".")]
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return tuple(numbers), not found[2] or _LATER.match(found[2]) is not None


def is_older(found: str, least: str) -> bool:
    """Whether a version is older than the least; what is no version at all is."""
    try:
        order = version_order(found)
    except ValueError:
        return True
    return order < version_order(least)
