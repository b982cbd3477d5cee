"""EIP-712: struct hashes and digests for the few flat structs that Poolhand signs.

Source: EIP-712, "Definition of encodeData".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from eth_hash.auto import keccak

from poolhand.domain.errors import BrokenPrecondition
from poolhand.domain.ids import Address


@dataclass(frozen=True)
class StructType:
    """A named struct of atomic members: ``(solidity type, member name)`` in order."""

    name: str
    members: tuple[tuple[str, str], ...]

    @cached_property
    def type_hash(self) -> bytes:
        """Keccak of ``Name(type name,…)``."""
        inner = ",".join(f"{kind} {name}" for kind, name in self.members)
        return keccak(f"{self.name}({inner})".encode())

    def hash(self, values: Sequence[Any]) -> bytes:
        """Return the struct hash of member values in order (addresses and words as bytes)."""
        words = [_word(kind, value) for (kind, _), value in zip(self.members, values, strict=True)]
        return keccak(self.type_hash + b"".join(words))


def _word(kind: str, value: Any) -> bytes:
    """Return the 32 bytes of one member; a text or bytes of any length count by their hash.

    Raises:
        BrokenPrecondition: The value is not of its type.
    """
    if kind == "uint256" and isinstance(value, int) and 0 <= value < 2**256:
        return value.to_bytes(32, "big")
    if kind == "string" and isinstance(value, str):
        return keccak(value.encode())
    if kind == "bytes" and isinstance(value, bytes):
        return keccak(value)
    if isinstance(value, bytes) and len(value) == _SIZES.get(kind):
        return bytes(value).rjust(32, b"\0")
    raise BrokenPrecondition(f"a value of {type(value).__name__} is no {kind}")


_SIZES = {"bytes32": 32, "address": 20}


_DOMAIN = StructType(
    "EIP712Domain",
    (
        ("string", "name"),
        ("string", "version"),
        ("uint256", "chainId"),
        ("address", "verifyingContract"),
    ),
)


@dataclass(frozen=True, slots=True)
class Domain:
    """Whom a signature is for: a protocol, its version, a chain and a contract."""

    name: str
    version: str
    chain_id: int
    contract: Address

    @property
    def separator(self) -> bytes:
        """The domain separator."""
        return _separator(self)

    def digest(self, struct_hash: bytes) -> bytes:
        """Return the 32 bytes that are signed."""
        return keccak(b"\x19\x01" + self.separator + struct_hash)


@lru_cache(maxsize=64)
def _separator(domain: Domain) -> bytes:
    return _DOMAIN.hash((domain.name, domain.version, domain.chain_id, domain.contract))


def order_domain(chain_id: int, hub: Address) -> Domain:
    """Return the domain of iExec orders on a hub."""
    return Domain("iExecODB", "5.0.0", chain_id, hub)
