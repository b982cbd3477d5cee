"""Asking before something that cannot be taken back."""

from __future__ import annotations

import sys

import typer

from poolhand.cli.exits import NOT_COMPLETED
from poolhand.cli.passwords import interruptible
from poolhand.domain.errors import Refused


class ConfirmationMissing(Refused):
    """Something that cannot be taken back was not confirmed, and there is nobody to ask."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: there is no terminal to ask at, so say --yes if it is meant")


def confirm(what: str, *, yes: bool) -> None:
    """Go on if the person says yes; end with ``NOT_COMPLETED`` if not.

    Args:
        what: That is about to be done, as a sentence without an end.
        yes: It was said beforehand.

    Raises:
        ConfirmationMissing: There is nobody to ask.
        Abort: Ctrl-C.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfirmationMissing(what)
    with interruptible():
        sure = typer.confirm(f"{what}: go on?", err=True)
    if not sure:
        raise typer.Exit(NOT_COMPLETED)
