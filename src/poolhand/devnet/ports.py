"""Free ports of the loopback interface."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from itertools import chain, count, islice
from pathlib import Path
from typing import Final

from poolhand.devnet.members import write_members

LOOPBACK_ADDRESS: Final = "127.0.0.1"
LISTENING: Final = range(20_000, 32_768)
"""Below what Linux, macOS and Windows give, by default, to connections that are made from here."""
BLOCK: Final = 61
"""Of these apart programs begin to look that start one after the other, so as not to meet."""
PORTS_TRIED: Final = 1_000
"""Ports that are looked at before any that the system has is taken."""


def _listening(number: int) -> int:
    return LISTENING[number % len(LISTENING)]


_CANDIDATES: Final = map(_listening, count(os.getpid() * BLOCK))


def free_port(preferred: int = 0) -> int:
    """Return a TCP port that is free now: ``preferred`` if it is, else any.

    It is one that systems give to no connection, so that none takes it before it is used; another
    program that listens still may: whoever binds it must be ready to ask again.
    """
    wishes = (preferred,) if preferred else ()
    for wanted in chain(wishes, islice(_CANDIDATES, PORTS_TRIED), (0,)):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK_ADDRESS, wanted))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on the loopback interface")


class KeptPorts:
    """Ports by program, the same after a restart wherever they are still free.

    Links to results are on chain: they should outlive a restart.
    """

    def __init__(self, file: Path, programs: Sequence[str]) -> None:
        try:
            wished = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            wished = {}
        self._chosen = {name: free_port(int(wished.get(name, 0))) for name in programs}
        write_members(file, self._chosen)

    def __getitem__(self, name: str) -> int:
        return self._chosen[name]

    def url(self, name: str) -> str:
        """Return the URL of a program."""
        return f"http://{LOOPBACK_ADDRESS}:{self[name]}"
