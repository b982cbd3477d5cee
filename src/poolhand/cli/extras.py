"""Packages that a worker does not install, and what to say where one of them is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from poolhand.domain.errors import Refused

EXTRAS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("alembic", "jinja2", "psycopg", "sqlalchemy"), "pool"),
    "obstore": "s3",
}
"""Package, as it is imported, to the extra of ``pyproject.toml`` that brings it (ADR 0030)."""


class ExtraLeftOut(Refused):
    """What was asked for needs packages that this installation has left out."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"this installation has what a worker needs, and this command needs {package}, too: "
            f"`pip install 'poolhand[{extra}]'` installs it"
        )


@contextmanager
def extras_named() -> Iterator[None]:
    """Raise ExtraLeftOut, which names the remedy, where a package of an extra is missing."""
    try:
        yield
    except ModuleNotFoundError as fault:
        package = (fault.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        raise ExtraLeftOut(package, EXTRAS[package]) from fault
