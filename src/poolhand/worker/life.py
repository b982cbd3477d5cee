"""How the program before this one ended: told to, or suddenly.

A small file lies in the worker's folder while the program lives. Who finds it at a start knows that
the last program was killed, or crashed; where the machine itself was started anew since, nobody is
to blame for that. No disk needs room to take the file away again.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog

from poolhand.domain.errors import Bug, PoolhandError

NAME: Final = "alive"
BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
"""The machine's present life, another after every restart of it."""

log = structlog.get_logger()


def boot_of_this_machine() -> str:
    """Return a name for the time since the machine was started; empty where it does not tell."""
    try:
        return BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""


class Life:
    """One life of the program; a context that it lives in.

    The next one is told of a sudden end where this one is killed, or ended by an error of ours that
    nobody expected; not where it was told to end, or says who must act.

    Args:
        base: The worker's folder.
        boot: See ``boot_of_this_machine``.
    """

    def __init__(self, base: Path, boot: str) -> None:
        self._path, self._boot = base / NAME, boot

    def begin(self) -> bool:
        """Note that work begins; returns whether the life before this one ended suddenly."""
        sudden = _found(self._path) == self._boot
        if sudden:
            log.warning("sudden_end_found", cause="the worker before this one ended without a word")
        _write(self._path, self._boot)
        return sudden

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        fault: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if fault is None or _is_orderly(fault):
            _remove(self._path)


def _is_orderly(fault: BaseException) -> bool:
    if isinstance(fault, BaseExceptionGroup):
        return all(map(_is_orderly, fault.exceptions))
    told = (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit)
    named = isinstance(fault, PoolhandError) and not isinstance(fault, Bug)
    return named or isinstance(fault, told)


def _found(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None


def _write(path: Path, boot: str) -> None:
    """Write the file; without it a sudden end just counts for nothing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(boot)
    except OSError as fault:
        log.warning("life_not_noted", path=str(path), cause=str(fault))


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as fault:
        log.warning("life_not_noted", path=str(path), cause=str(fault))
