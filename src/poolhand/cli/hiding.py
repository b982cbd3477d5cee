"""A password that a worker or signer is told by environment or command line leaves both at once.

Whatever a process was started with can be read from it for as long as it lives. So the program
replaces itself (``exec``) by one that was told nothing, and hands the password on in a pipe, from
which the signer alone reads it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final

WALLET_FLAG: Final = "--wallet-password"
VARIABLES: Final = ("IEXEC_WORKER_WALLET_PASSWORD", "POOLHAND_WALLET_PASSWORD")
PIPE: Final = "POOLHAND_PASSWORD_PIPE"
"""Names the descriptor, in the environment of the program that replaces this one."""
IN_THE_PIPE: Final = "(in the pipe)"
"""Stands where the password was, so that each origin counts as much as before."""
VERBS: Final = (("worker", "start"), ("signer", "serve"))
MOST_PASSWORD_PIPED: Final = 4096
"""Bytes of a password that fit a pipe everywhere."""


def hide_password() -> None:
    """Replace this program, where it is a worker or signer that was told its password."""
    typed = sys.argv[1:]
    if tuple(typed[:2]) not in VERBS or sys.orig_argv[-len(typed) :] != typed:
        return  # neither, or one that was not started by what was typed
    password, words, environ = without_password(sys.orig_argv[1:], os.environ)
    raw = password.encode("utf-8", "surrogateescape")
    if not raw or len(raw) > MOST_PASSWORD_PIPED:
        return
    ours, theirs = os.pipe()
    os.write(theirs, raw)
    os.set_inheritable(ours, True)
    environ[PIPE] = str(ours)
    os.execve(sys.executable, [sys.executable, *words], environ)  # noqa: S606 - ourselves


def without_password(
    words: Sequence[str], environ: Mapping[str, str]
) -> tuple[str, list[str], dict[str, str]]:
    """Return the password that counts, empty where none was told, and all else without it."""
    kept, flagged = _without_flag(words)
    told = [environ[name] for name in VARIABLES if environ.get(name)]
    left = {name: text for name, text in environ.items() if name not in VARIABLES}
    password = next((each for each in (flagged, *told) if each), "")
    if password == IN_THE_PIPE and PIPE in environ:
        return "", list(words), dict(environ)
    if flagged:
        return password, [*kept, WALLET_FLAG, IN_THE_PIPE], left
    if told:
        left[next(name for name in VARIABLES if environ.get(name))] = IN_THE_PIPE
    return password, kept, left


def _without_flag(words: Sequence[str]) -> tuple[list[str], str]:
    """Return the words without the flag, and the last value that it had."""
    kept, value, ahead = [], "", iter(words)
    for word in ahead:
        if word == WALLET_FLAG:
            value = next(ahead, "")
        elif word.startswith(f"{WALLET_FLAG}="):
            value = word.partition("=")[2]
        else:
            kept.append(word)
    return kept, value


def password_pipe(text: str, environ: Mapping[str, str]) -> int | None:
    """Return the descriptor that has the password, where ``text`` stands for one in a pipe."""
    return int(environ[PIPE]) if text == IN_THE_PIPE and environ.get(PIPE, "").isdecimal() else None
