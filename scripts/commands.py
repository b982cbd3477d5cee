"""The programs that a script runs, and what it tells the person at the terminal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

NEEDS_SOMETHING = 2
"""The exit status of whoever raises it."""


class NeedsSomething(Exception):
    """Something is missing, or failed; the message says what to do."""


def say(words: str) -> None:
    """Tell the person at the terminal."""
    print(f"poolhand: {words}", file=sys.stderr, flush=True)


def told_by(command: Sequence[str]) -> str:
    """Run a program and return what it printed.

    Raises:
        NeedsSomething: It failed.
    """
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise NeedsSomething(f"`{' '.join(command[:3])} …` failed ({said})")
    return done.stdout.strip()


def shown(command: Sequence[str]) -> None:
    """Run a program that tells the person how far it is; raises NeedsSomething where it fails."""
    if subprocess.run(command, check=False).returncode:
        raise NeedsSomething(f"`{' '.join(command[:3])} …` failed: see above")
