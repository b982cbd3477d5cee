"""Which part of an archive a download asks for.

One range is served; what asks for several, or in another form, gets all of it, as is allowed.

Source: RFC 9110 §14.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from poolhand.domain.errors import Refused

_ONE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class NoSuchRange(Refused):
    """The archive ends before the bytes that were asked for."""

    http_status = 416


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of an archive: ``count`` of them from ``first`` on, of ``size`` in all."""

    first: int
    count: int
    size: int
    is_range: bool = False

    @property
    def status(self) -> int:
        """The answer's HTTP status."""
        return 206 if self.is_range else 200

    @property
    def headers(self) -> dict[str, str]:
        """What the answer says of the range."""
        if not self.is_range:
            return {}
        last = self.first + self.count - 1
        return {"Content-Range": f"bytes {self.first}-{last}/{self.size}"}


def asked_part(headers: Mapping[str, str], size: int, etag: str) -> Part:
    """Read what is asked for.

    Args:
        headers: Of the request.
        size: Of the archive (bytes).
        etag: Of the archive: a range of another one is not asked for any more.

    Raises:
        NoSuchRange: It begins behind the end.
    """
    whole = Part(0, size, size)
    asked = _ONE.fullmatch(headers.get("range", ""))
    if asked is None or headers.get("if-range", etag) != etag or asked.group() == "bytes=-":
        return whole
    begin, end = asked.groups()
    first = int(begin) if begin else max(0, size - int(end))
    last = min(int(end), size - 1) if begin and end else size - 1
    if begin and end and int(end) < int(begin):
        return whole
    if first >= size:
        raise NoSuchRange(f"the archive has {size} bytes: ask for some of them")
    return Part(first, last - first + 1, size, is_range=True)
