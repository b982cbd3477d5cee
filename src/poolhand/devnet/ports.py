"""Free ports of the loopback interface."""

from __future__ import annotations

import socket
from typing import Final

LOOPBACK: Final = "127.0.0.1"


def free_port(preferred: int = 0) -> int:
    """Return a TCP port that is free now: ``preferred`` if it is, else any.

    Another program may take it before it is used: whoever binds it must be ready to ask again.
    """
    for wanted in (preferred, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, wanted))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on the loopback interface")
