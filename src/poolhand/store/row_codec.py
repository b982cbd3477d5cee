"""Events as rows of the table ``journal``, each with a checksum of its own."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import Any, TypeAlias

from poolhand.ports.journal import Written
from poolhand.store.errors import JournalCorrupt, JournalTooNew
from poolhand.store.record import Codec, TooNewRecord

JournalRow: TypeAlias = tuple[int, int, str, str, int]
"""Number, version, stream, event and checksum."""


@dataclass(frozen=True, slots=True)
class RowCodec:
    """Writes rows, and reads those of every version; ``where`` names the database in errors."""

    where: str
    codec: Codec

    def row(self, change: Written) -> dict[str, Any]:
        """Return what is inserted."""
        checksum = _crc(change.stream, change.text)
        return {"v": self.codec.version, "s": change.stream, "e": change.text, "c": checksum}

    def event(self, row: JournalRow) -> dict[str, Any]:
        """Read a row.

        Raises:
            JournalCorrupt: It was altered; its number is named.
            JournalTooNew: A later version wrote it.
        """
        number, version, stream, written, checksum = row
        if checksum != _crc(stream, written):
            raise JournalCorrupt(self.where, number, "checksum does not match")
        try:
            event = self.codec.upcast(version, stream, json.loads(written))
        except TooNewRecord as fault:
            raise JournalTooNew(self.where, version, self.codec.version) from fault
        assert event is not None
        return event


def _crc(stream: str, written: str) -> int:
    return zlib.crc32(f"{stream}\n{written}".encode())
