"""HTTP bodies in pieces: a body of crumbs costs far more to read than to send.

h11 takes some 20 microseconds for each chunk, however small: a megabyte of one-byte chunks would
hold the event loop for seconds.
"""

from __future__ import annotations

from typing import Any, Final

import h11

FREE_CHUNKS: Final = 1_000
"""Chunks of a body that may be of any size."""
LEAST_CHUNK: Final = 64
"""Bytes that the chunks of a longer body carry on average."""


class ChunkCounter(h11.Connection):
    """A server's side of a connection that ends at a body of crumbs, as at any bad HTTP.

    Attributes:
        fault: What was wrong, where it was that.
    """

    fault = ""
    _chunks = _carried = 0

    def next_event(self) -> Any:
        """Return what came next.

        Raises:
            h11.RemoteProtocolError: It is no HTTP, or not what a server has to bear.
        """
        event = super().next_event()
        if type(event) is h11.Data:
            self._count(event)
        return event

    def start_next_cycle(self) -> None:
        """Begin to count anew."""
        super().start_next_cycle()
        self._chunks = self._carried = 0

    def _count(self, event: h11.Data) -> None:
        self._carried += len(event.data)
        self._chunks += event.chunk_start
        whole = self._chunks - 1  # the last one may still be coming
        if self._chunks > FREE_CHUNKS and self._carried < whole * LEAST_CHUNK:
            self.fault = "the chunks of the body are too small: send larger ones, or its length"
            raise h11.RemoteProtocolError(self.fault)
