"""Identifiers: bytes inside, hexadecimal only where a person or a peer reads them."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar, Self

from eth_hash.auto import keccak

from poolhand.domain.errors import BadHex


class FixedBytes(bytes):
    """Bytes of one known length; ``str()`` is 0x-hexadecimal."""

    size: ClassVar[int] = 32
    what: ClassVar[str] = "a 32-byte value"

    def __new__(cls, value: bytes) -> Self:
        """Check the length.

        Raises:
            BadHex: Wrong number of bytes.
        """
        if len(value) != cls.size:
            raise BadHex(cls.what, "0x" + bytes(value).hex(), cls.size)
        return super().__new__(cls, value)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read 0x-hexadecimal of exactly the right length, upper or lower case.

        Raises:
            BadHex: Wrong prefix, alphabet or length.
        """
        shaped = text[:2] in ("0x", "0X") and len(text) == 2 + 2 * cls.size
        try:
            raw = bytes.fromhex(text[2:]) if shaped else b""
        except ValueError:
            raw = b""
        if len(raw) != cls.size:
            raise BadHex(cls.what, text, cls.size)
        return cls(raw)

    def __str__(self) -> str:
        return "0x" + self.hex()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"

    @property
    def short(self) -> str:
        """First four bytes, for tables and logs that people read."""
        return f"0x{self[:4].hex()}…"


@lru_cache(maxsize=32_768)
def _checksummed(digits: str) -> str:
    """Write an address with its checksum; kept, for each message of a worker names it."""
    marks = keccak(digits.encode()).hex()
    pairs = zip(digits, marks, strict=False)
    return "0x" + "".join(d.upper() if int(m, 16) > 7 else d for d, m in pairs)


class Address(FixedBytes):
    """An account or contract; ``str()`` is the EIP-55 checksum form."""

    size = 20
    what = "an address"

    def __str__(self) -> str:
        return _checksummed(self.hex())

    @property
    def is_zero(self) -> bool:
        """Whether this is the placeholder for "none" or "anybody"."""
        return not any(self)


ZERO_ADDRESS = Address(bytes(20))


class DealId(FixedBytes):
    """One match of orders: keccak(request order hash ‖ first task index)."""

    what = "a deal id"


class TaskId(FixedBytes):
    """One task of a deal: keccak(deal id ‖ index)."""

    what = "a task id"


class OrderHash(FixedBytes):
    """The EIP-712 digest of an order under a hub's domain."""

    what = "an order hash"


class ResultDigest(FixedBytes):
    """What a computation came to: sha256 of the deterministic file, or keccak of callback data."""

    what = "a result digest"


class ResultHash(FixedBytes):
    """keccak(task id ‖ digest): the value workers agree on."""

    what = "a result hash"


class ResultSeal(FixedBytes):
    """keccak(worker ‖ task id ‖ digest): proves who computed, stops copying."""

    what = "a result seal"


class TxHash(FixedBytes):
    """A transaction."""

    what = "a transaction hash"


class BlockHash(FixedBytes):
    """A block."""

    what = "a block hash"
