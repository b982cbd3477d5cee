"""Transactions in bytes: what is signed of one, and what is broadcast.

``eth_account`` does the same at the cost of 25 MB and half a second, which a process that does
nothing but sign would spend for it; the tests hold both to the same bytes.

Source: Ethereum yellow paper, appendix B (RLP); EIP-155 and EIP-1559.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from poolhand.domain.transaction import UnsignedTransaction

Item: TypeAlias = "int | bytes | Sequence[Item]"

_DYNAMIC: Final = b"\x02"
"""Type of a transaction with a base fee."""


def fields_of(transaction: UnsignedTransaction) -> tuple[Item, ...]:
    """Return what a transaction says, in the order of its kind."""
    made = transaction
    last: tuple[Item, ...] = (made.gas, bytes(made.to), made.value, made.data)
    if made.priority_fee is None:
        return (made.nonce, made.max_fee, *last)
    return (made.chain_id, made.nonce, made.priority_fee, made.max_fee, *last, ())


def to_sign(transaction: UnsignedTransaction, fields: Sequence[Item]) -> bytes:
    """Return the bytes whose hash is signed."""
    if transaction.priority_fee is None:
        return rlp((*fields, transaction.chain_id, 0, 0))
    return _DYNAMIC + rlp(fields)


def signed_by(transaction: UnsignedTransaction, fields: Sequence[Item], signature: bytes) -> bytes:
    """Return the bytes to broadcast.

    Args:
        transaction: What was signed.
        fields: Of it.
        signature: r, s and the parity of y: 65 bytes.
    """
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    parity = signature[64]
    if transaction.priority_fee is None:
        return rlp((*fields, 35 + 2 * transaction.chain_id + parity, r, s))
    return _DYNAMIC + rlp((*fields, parity, r, s))


def rlp(item: Item) -> bytes:
    """Return an item in RLP: a number without leading zeros, bytes, or a list of items."""
    if isinstance(item, int):
        item = item.to_bytes((item.bit_length() + 7) // 8, "big")
    if isinstance(item, bytes):
        alone = len(item) == 1 and item[0] < 0x80
        return item if alone else _head(0x80, len(item)) + item
    inside = b"".join(map(rlp, item))
    return _head(0xC0, len(inside)) + inside


def _head(offset: int, length: int) -> bytes:
    if length < 56:
        return bytes((offset + length,))
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((offset + 55 + len(size),)) + size
