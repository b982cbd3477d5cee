"""One line of JSON each way over a unix socket: how a program inside speaks with its worker.

The worker relays what it cannot read: a quote it asks of the machine, a sealed answer it fetches.
Both sides take a line for a stranger's: bounded, an object, texts alone.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Final

from poolhand.domain.errors import Malformed, PeerFault
from poolhand.domain.json_text import parse_json

LAUNCHER_FOLDER: Final = "/.poolhand/launcher"
"""Where the launcher is, inside; read-only."""
RELAY_FOLDER: Final = "/.poolhand/relay"
"""Where the socket is, inside."""
RELAY_SOCKET: Final = "socket"
RELAY_VARIABLE: Final = "POOLHAND_TEE_RELAY"
SESSION_VARIABLE: Final = "POOLHAND_TEE_SESSION"
SERVICE_VARIABLE: Final = "POOLHAND_TEE_SERVICE"
FETCHED_FOLDER: Final = "/iexec_fetched"
"""What the worker has downloaded, still encrypted, for what brings data."""
PACKED_FOLDER: Final = "/iexec_packed"
"""Where the packed result goes."""
PACKED_ARCHIVE: Final = "result.zip"
"""What the worker brings away of it."""
REPORT_DATA: Final = 64
"""Bytes that a quote carries for whoever asked for it."""
NOT_TOLD: Final = 121
"""Exit code of the launcher: the session told nothing, so that nothing was started."""
MOST_RELAY_LINE: Final = 1024 * 1024
"""Bytes of one line: an environment is at most some hundred secrets of 4 KiB."""
LONGEST_RELAY_ANSWER: Final = 120.0
"""Seconds until the worker answers."""


class RelayRefused(PeerFault):
    """The worker, or the service behind it, says no; the words say why."""


def packed_line(members: Mapping[str, str]) -> bytes:
    """Write a line."""
    return json.dumps(dict(members), separators=(",", ":")).encode() + b"\n"


def read_line(raw: bytes) -> dict[str, str]:
    """Read a line.

    Raises:
        Malformed: It is no object of texts, or too long.
    """
    if len(raw) > MOST_RELAY_LINE:
        raise Malformed("a line of the relay is too long")
    try:
        told = parse_json(raw)
    except ValueError as fault:
        raise Malformed("a line of the relay is not JSON") from fault
    if not isinstance(told, dict) or not all(isinstance(each, str) for each in told.values()):
        raise Malformed("a line of the relay is no object of texts")
    return told


class RelayClient:
    """Asks the worker, from inside; a connection for each question."""

    def __init__(self, path: str) -> None:
        self._path = path

    def ask(self, **members: str) -> dict[str, str]:
        """Ask, and wait for the answer.

        Raises:
            RelayRefused: The answer is no.
            Malformed: It is none.
            OSError: There is nobody.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(LONGEST_RELAY_ANSWER)
            line.connect(self._path)
            line.sendall(packed_line(members))
            with line.makefile("rb") as answers:
                raw = answers.readline(MOST_RELAY_LINE + 1)
        answer = read_line(raw)
        if "refused" in answer:
            raise RelayRefused(answer["refused"])
        return answer
