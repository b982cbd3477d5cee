"""Paths as people type them: ``~`` and ``~user`` are folders of people, where there are such."""

from __future__ import annotations

from pathlib import Path

from poolhand.domain.errors import Refused
from poolhand.domain.text import shown


class NoSuchHome(Refused):
    """A path begins with the home folder of somebody whom this machine does not know."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(
            f"{shown(str(path), 200)} begins with a home folder that this machine does not know: "
            "give the path without ~, or set HOME for ~ alone"
        )


def at_home(path: str | Path) -> Path:
    """Return a path without ``~``.

    Raises:
        NoSuchHome: It is nobody's that this machine knows.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise NoSuchHome(path) from None
