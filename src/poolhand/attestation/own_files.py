"""Files that a simulated root gives to verifiers and machines, told apart by what they say."""

from __future__ import annotations

from collections.abc import Mapping

from poolhand.domain.errors import Refused


class NoSimulatedRoot(Refused):
    """A file that was named as a simulated root cannot be read as one."""


def check_format(told: Mapping[str, object], wanted: str) -> None:
    """Tell one kind of our own files from others.

    Raises:
        ValueError: It is another.
    """
    if told["format"] != wanted:
        raise ValueError(f"it does not say that it is a '{wanted}'")
