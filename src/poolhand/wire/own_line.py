"""Messages on a line between a program and a process of its own: how they are written and cut.

A message is its length, four bytes, and as much JSON: the name of its kind and its members.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Generic, TypeVar

from poolhand.domain.errors import Malformed
from poolhand.domain.json_text import parse_json
from poolhand.wire.fields import dump_object, load_object

LENGTH_BYTES: Final = 4
"""Bytes in front of a message that tell how long it is."""

MessageT = TypeVar("MessageT")


class LineCodec(Generic[MessageT]):
    """Writes and reads the messages of one kind of line.

    Args:
        peer: What the program calls the other process.
        most: Bytes of one message.
        kinds: Its messages.
    """

    def __init__(self, peer: str, most: int, kinds: tuple[type[MessageT], ...]) -> None:
        self._peer, self._most = peer, most
        self._kinds: Mapping[str, type[Any]] = {kind.__name__: kind for kind in kinds}

    def encode(self, message: MessageT) -> bytes:
        """Write a message; raises Malformed where a member or all of it is over its limit."""
        told = [type(message).__name__, dump_object(message)]
        data = json.dumps(told, ensure_ascii=True, separators=(",", ":")).encode()
        if len(data) > self._most:
            raise Malformed(f"a message to or from the {self._peer} takes over {self._most} bytes")
        return data

    def frame(self, message: MessageT) -> bytes:
        """Write a message with its length in front; raises Malformed as ``encode``."""
        data = self.encode(message)
        return len(data).to_bytes(LENGTH_BYTES, "big") + data

    def length(self, head: bytes) -> int:
        """Return how many bytes follow; raises Malformed where they are too many, or none."""
        length = int.from_bytes(head, "big")
        if not 0 < length <= self._most:
            raise Malformed(f"a message of {length} bytes is too long for the {self._peer}'s line")
        return length

    def decode(self, data: bytes) -> MessageT:
        """Read a message; raises Malformed where it is none."""
        try:
            told = parse_json(data)
        except ValueError:
            raise Malformed(f"a message to or from the {self._peer} is no JSON") from None
        if type(told) is not list or len(told) != 2 or type(told[0]) is not str:
            raise Malformed(f"a message to or from the {self._peer} is a name and an object")
        kind = self._kinds.get(told[0])
        if kind is None:
            raise Malformed(f"the {self._peer} knows no message {told[0][:40]!r}")
        loaded: MessageT = load_object(kind, told[1])
        return loaded
