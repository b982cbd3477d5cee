"""Names below an IPFS folder, as they are written into a gateway's URL.

Source: RFC 3986 §3.3 (what a path may hold as it is).
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

from poolhand.transport.errors import ForbiddenUri

_PREFIX: Final = re.compile(r"(?:ipfs://|/ipfs/)(.*)", re.DOTALL)
_CONTENT: Final = re.compile(r"[A-Za-z0-9]{10,128}")
_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
UNESCAPED: Final = "!$&'()*+,;=:@%~"


def ipfs_path(uri: str) -> str | None:
    """Return ``<CID>/<path>`` fit for a URL; None for what is no IPFS address.

    Spaces, letters beyond ASCII and a ``%`` that begins no escape are encoded; escapes stay.

    Raises:
        ForbiddenUri: The content has no id, or no gateway would read the path as it is meant.
    """
    found = _PREFIX.fullmatch(uri)
    if found is None:
        return None
    content, *names = found[1].split("/")
    if not _CONTENT.fullmatch(content):
        raise ForbiddenUri(uri, "it names no IPFS content: write /ipfs/<CID>/<path>")
    for name in names:
        _check(uri, name)
    return "/".join([content, *map(_encoded, names)])


def _check(uri: str, name: str) -> None:
    meant = unquote(name)
    if meant in (".", "..") or "/" in meant or "\\" in meant:
        raise ForbiddenUri(uri, "its path leads out of the IPFS content")
    if _CONTROL.search(meant):
        raise ForbiddenUri(uri, "its path holds a control character")
    if "?" in name or "#" in name:
        raise ForbiddenUri(uri, "its path holds '?' or '#': write them as %3F and %23")


def _encoded(name: str) -> str:
    return quote(_ESCAPE.sub("%25", name), safe=UNESCAPED)
