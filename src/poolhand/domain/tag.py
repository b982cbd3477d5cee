"""Order tags: a set of 256 bits that orders demand and offer.

Source: PoCo 6.x matchOrders (bit 0); iExec SDK (names of bits 1, 2, 3 and 8).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Self

from poolhand.domain.errors import Refused
from poolhand.domain.ids import FixedBytes

_BITS: Final = {"tee": 0, "scone": 1, "gramine": 2, "tdx": 3, "gpu": 8}


class UnknownTag(Refused):
    """A tag name that no one knows."""

    def __init__(self, name: str) -> None:
        super().__init__(f"'{name}' is not a tag: use {', '.join(_BITS)} or 0x and 64 digits")


class Tag(FixedBytes):
    """Thirty-two bytes; bit 0 is the lowest bit of the last byte."""

    what = "a tag"

    @classmethod
    def of(cls, names: Iterable[str]) -> Self:
        """Build a tag from names.

        Raises:
            UnknownTag: A name outside tee, scone, gramine, tdx, gpu.
        """
        bits = 0
        for name in names:
            if name not in _BITS:
                raise UnknownTag(name)
            bits |= 1 << _BITS[name]
        return cls(bits.to_bytes(32, "big"))

    @property
    def bits(self) -> int:
        """The tag as a number."""
        return int.from_bytes(self, "big")

    @property
    def names(self) -> tuple[str, ...]:
        """Known bits that are set, lowest first."""
        return tuple(name for name, bit in _BITS.items() if self.bits >> bit & 1)

    @property
    def unknown(self) -> tuple[int, ...]:
        """Bits that are set and have no name, lowest first."""
        left = self.bits & ~sum(1 << bit for bit in _BITS.values())
        return tuple(bit for bit in range(left.bit_length()) if left >> bit & 1)

    @property
    def needs_tee(self) -> bool:
        """Whether the chain demands an enclave challenge (bit 0)."""
        return bool(self.bits & 1)

    @property
    def needs_gpu(self) -> bool:
        """Whether a GPU is asked for (bit 8, a name of the SDK only)."""
        return bool(self.bits >> _BITS["gpu"] & 1)

    def union(self, *others: Tag) -> Tag:
        """Return every bit that is set in any."""
        bits = self.bits
        for other in others:
            bits |= other.bits
        return Tag(bits.to_bytes(32, "big"))

    def covers(self, demand: Tag) -> bool:
        """Whether every bit of ``demand`` is set here."""
        return demand.bits & ~self.bits == 0

    def without_enclaves(self) -> Tag:
        """Clear bits 0 to 3: all that is about enclaves."""
        return Tag((self.bits & ~0b1111).to_bytes(32, "big"))

    def without_frameworks(self) -> Tag:
        """Clear bits 1 to 3, as PoCo 6.2 does with dataset tags."""
        return Tag((self.bits & ~0b1110).to_bytes(32, "big"))


NO_TAG: Final = Tag(bytes(32))
