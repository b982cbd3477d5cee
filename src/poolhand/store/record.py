"""One journal record as one line of JSON with a checksum.

``{"v":1,"n":7,"s":"0x…","e":{…},"c":"1a2b3c4d"}``: version, sequence number, stream, event, and
the CRC-32 of the bytes before ``,"c"``. ``"e":null`` buries the stream: what came before is over.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from poolhand.domain.errors import BrokenPrecondition, Malformed

Upcaster = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Turns a (stream, event) of one version into the event of the next."""

_COMPACT: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_TAIL: Final = len(',"c":"00000000"}')


class DamagedRecord(Malformed):
    """A line that does not check."""


class TooNewRecord(Malformed):
    """A line of a version we do not know; ``version`` is it."""

    def __init__(self, version: int) -> None:
        super().__init__(f"record version {version}")
        self.version = version


@dataclass(frozen=True, slots=True)
class Record:
    """One line; ``event`` is None where the stream is buried."""

    number: int
    stream: str
    event: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Codec:
    """Writes records of ``version`` and reads those of every version with an upcaster."""

    version: int = 1
    upcasters: Mapping[int, Upcaster] = field(default_factory=dict)

    def encode(self, record: Record) -> bytes:
        """Return the line, newline included.

        Raises:
            BrokenPrecondition: The event is not made of JSON values.
        """
        whole = {"v": self.version, "n": record.number, "s": record.stream, "e": record.event}
        body = self.event_text(whole).encode()[:-1]
        return body + b',"c":"%08x"}\n' % zlib.crc32(body)

    def decode(self, line: bytes) -> Record:
        """Read a line without its newline.

        Raises:
            DamagedRecord: Checksum or form is wrong.
            TooNewRecord: Written by a later version.
        """
        body, tail = line[:-_TAIL], line[-_TAIL:]
        if tail != b',"c":"%08x"}' % zlib.crc32(body):
            raise DamagedRecord("checksum does not match")
        try:
            whole = json.loads(line)
            version, number, stream = int(whole["v"]), int(whole["n"]), str(whole["s"])
            event = whole["e"]
        except (ValueError, KeyError, TypeError) as fault:
            raise DamagedRecord("not a journal record") from fault
        return Record(number, stream, self.upcast(version, stream, event))

    def upcast(
        self, version: int, stream: str, event: dict[str, Any] | None
    ) -> dict[str, Any] | None:
        """Bring an event of an older version up to ours.

        Raises:
            TooNewRecord: The version is above ours, or has no way up.
        """
        while event is not None and version != self.version:
            if version not in self.upcasters:
                raise TooNewRecord(version)
            event = self.upcasters[version](stream, event)
            version += 1
        return event

    @staticmethod
    def event_text(event: Mapping[str, Any]) -> str:
        """Return compact JSON.

        Raises:
            BrokenPrecondition: A value that JSON has not, such as bytes or half of a surrogate
                pair.
        """
        try:
            written = _COMPACT.encode(event)
            written.encode()
        except (TypeError, ValueError) as fault:
            raise BrokenPrecondition(f"an event is made of JSON values: {fault}") from fault
        return written
