"""In which form a service refuses what reaches none of its handlers: bad HTTP, too much at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

RefusalForm: TypeAlias = Callable[[str, str], Mapping[str, Any]]
"""Returns the members of the JSON object that tells a refusal, of its code and its words."""


def code_and_message(code: str, words: str) -> dict[str, Any]:
    """Return the form of all services of ours but the market."""
    return {"code": code, "message": words}
