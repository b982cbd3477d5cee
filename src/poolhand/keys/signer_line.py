"""The line between a program and its signer: bounded messages over one Unix socket, in turn."""

from __future__ import annotations

import socket

from poolhand.domain.errors import Malformed
from poolhand.wire.own_line import LENGTH_BYTES
from poolhand.wire.signer_api import SIGNER_LINE, SignerMessage


class SignerLine:
    """One end of it.

    Args:
        line: A connected stream socket; it is closed with this object.
    """

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._line.fileno()

    def send(self, message: SignerMessage) -> None:
        """Send a message; raises OSError where nobody is there, Malformed where it is too long."""
        self._line.sendall(SIGNER_LINE.frame(message))

    def receive(self) -> SignerMessage | None:
        """Wait for a message; None once the other end is closed.

        Raises:
            Malformed: What came is no message, is too long, or was cut off.
            OSError: The line is broken, or the time that it was given is over.
        """
        head = self._exactly(LENGTH_BYTES)
        if not head:
            return None
        data = self._exactly(SIGNER_LINE.length(head))
        if not data:
            raise Malformed("a message on the signer's line was cut off")
        return SIGNER_LINE.decode(data)

    def _exactly(self, size: int) -> bytes:
        """Read so many bytes; none where the end came first."""
        found = b""
        while len(found) < size:
            more = self._line.recv(size - len(found))
            if not more:
                if found:
                    raise Malformed("a message on the signer's line was cut off")
                return b""
            found += more
        return found

    def wait_at_most(self, seconds: float | None) -> None:
        """Bound how long ``send`` and ``receive`` wait (seconds); None: for ever."""
        self._line.settimeout(seconds)

    def close(self) -> None:
        """Close it: the signer ends."""
        self._line.close()
