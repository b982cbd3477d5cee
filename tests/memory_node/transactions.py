"""Signed transactions as a node reads them."""

from __future__ import annotations

from dataclasses import dataclass

import rlp
from eth_account import Account
from eth_account.typed_transactions import TypedTransaction
from eth_hash.auto import keccak
from hexbytes import HexBytes

from poolhand.domain.ids import Address


@dataclass(frozen=True)
class Tx:
    """A transaction and who signed it; ``tip`` is None for one of the old kind."""

    sender: Address
    nonce: int
    to: Address
    value: int
    data: bytes
    gas: int
    max_fee: int
    tip: int | None
    chain_id: int
    raw: bytes

    @property
    def hash(self) -> str:
        return "0x" + keccak(self.raw).hex()

    @property
    def cost(self) -> int:
        return self.gas * self.max_fee + self.value

    @classmethod
    def read(cls, raw: bytes) -> Tx:
        sender = Address.parse(Account.recover_transaction(raw))
        if raw[0] != 2:
            nonce, price, gas, to, value, data, v, _, _ = rlp.decode(raw)
            numbers = [int.from_bytes(each, "big") for each in (nonce, value, gas, price, v)]
            nonce, value, gas, price, v = numbers
            return cls(
                sender, nonce, Address(to), value, data, gas, price, None, (v - 35) // 2, raw
            )
        read = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        return cls(
            sender,
            read["nonce"],
            Address(bytes(read["to"])),
            read["value"],
            bytes(read["data"]),
            read["gas"],
            read["maxFeePerGas"],
            read["maxPriorityFeePerGas"],
            read["chainId"],
            raw,
        )

    def outbids(self, other: Tx) -> bool:
        """Whether nodes take it in the place of another: both fees rise by a tenth."""
        return self.max_fee * 10 >= other.max_fee * 11 and (self.tip or self.max_fee) * 10 >= (
            (other.tip or other.max_fee) * 11
        )
