"""What an image that runs functions of Python programs says of itself, in a label of its config."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Self

from poolhand.domain.json_text import parse_json

FUNCTIONS_LABEL: Final = "poolhand.functions"
"""Name of the label."""
_MOST_MODULES: Final = 10_000


@dataclass(frozen=True, slots=True)
class FunctionImage:
    """An image that runs functions.

    Attributes:
        python: Its version, major and minor.
        modules: Top names that can be imported beside the standard library.
    """

    python: tuple[int, int]
    modules: tuple[str, ...]

    def dump(self) -> str:
        """Write it as the label has it."""
        told = {"python": list(self.python), "modules": list(self.modules)}
        return json.dumps(told, separators=(",", ":"))

    @classmethod
    def of_config(cls, config: Any) -> Self | None:
        """Read an image's config (OCI image specification); None where it says nothing of this."""
        labels = _member(_member(config, "config"), "Labels")
        text = _member(labels, FUNCTIONS_LABEL)
        try:
            told = parse_json(text) if isinstance(text, str) else None
        except ValueError:
            return None
        match told:
            case {"python": [int(major), int(minor)], "modules": list(modules)} if all(
                isinstance(each, str) for each in modules[:_MOST_MODULES]
            ):
                return cls((major, minor), tuple(modules[:_MOST_MODULES]))
        return None


def _member(members: Any, name: str) -> Any:
    return members.get(name) if isinstance(members, dict) else None
