"""Where an app or dataset is: the bytes ``multiaddr`` of its contract.

Writers store ``/ipfs/…`` in binary form and everything else as UTF-8 text; readers take both.

Source: iExec SDK (``multiaddr`` npm module) and its vectors in the specification, section 8.
"""

from __future__ import annotations

from typing import Final

from base58 import b58decode, b58encode

from poolhand.domain.errors import Refused
from poolhand.domain.text import checked, is_plain

_SHA256: Final = bytes.fromhex("1220")
"""Multihash: sha2-256, 32 bytes; its base 58 begins with Qm."""
_P2P: Final = bytes.fromhex("a50322")
"""Varint of protocol 421 (p2p, formerly ipfs), then the length of a multihash."""
_BINARY_SIZE: Final = 37
MAX_LOCATION: Final = 2_048
"""Characters."""


class UnreadableLocation(Refused):
    """The bytes of a contract's location are neither text nor an IPFS address."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(
            f"location 0x{raw[:40].hex()} is neither text nor an IPFS address: the owner of the "
            "app or dataset must deploy it again"
        )


def decode(raw: bytes) -> str:
    """Return an image reference, a URL, or ``/ipfs/Qm…``.

    Raises:
        UnreadableLocation: Neither text nor a binary IPFS address.
    """
    if _is_ipfs(raw):
        return "/ipfs/" + b58encode(raw[3:]).decode()
    try:
        text = raw.decode()
    except UnicodeDecodeError as fault:
        raise UnreadableLocation(raw) from fault
    if len(text) > MAX_LOCATION or not is_plain(text):
        raise UnreadableLocation(raw)
    return "/ipfs/" + text.removeprefix("/p2p/") if text.startswith("/p2p/") else text


def encode(text: str) -> bytes:
    """Return the bytes to store: binary for ``/ipfs/Qm…``, else UTF-8.

    Raises:
        UnfitText: No reader of ours would take it.
    """
    text = checked(text.strip(), "the location", MAX_LOCATION)
    prefix, _, cid = text.rpartition("/")
    if prefix in ("/ipfs", "/p2p") and cid.startswith("Qm"):
        try:
            binary = _P2P + b58decode(cid)
        except ValueError:
            binary = b""
        if _is_ipfs(binary):
            return binary
    return text.encode()


def _is_ipfs(raw: bytes) -> bool:
    return raw.startswith(_P2P + _SHA256) and len(raw) == _BINARY_SIZE
