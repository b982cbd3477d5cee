"""Transactions that set a chain up: signed here, sent in one request, mined at once.

The network's own programs send through ``poolhand.chain``, journaled and priced; this is for a
development node, where a deployment of fifty transactions should take less than a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address

from poolhand.devnet.rpc import NodeRefused, NodeRpc
from poolhand.domain.errors import Bug
from poolhand.domain.ids import Address

GAS: Final = 6_000_000
"""Limit for each: the largest deployment (AppRegistry) takes 4.0 million."""
GAS_PRICE: Final = 10 * 10**9
"""Most to pay (wei); a development chain's base fee starts at 1 gwei and falls."""
BLOCKS: Final = 50
"""Mined by hand, at most, until everything is in."""


class SetupFailed(Bug):
    """A transaction of the set-up was reverted: contracts and Poolhand do not fit."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"setting up the chain failed at '{what}': {why}")
        self.what = what


@dataclass(frozen=True, slots=True)
class SetupStep:
    """One transaction: what it is for, to whom (None creates a contract), and its data."""

    what: str
    to: Address | None
    data: bytes


def created_address(sender: Address, nonce: int) -> Address:
    """Return where ``CREATE`` puts a contract: keccak(rlp(sender, nonce)), last 20 bytes."""
    size = (nonce.bit_length() + 7) // 8
    number = nonce.to_bytes(size, "big")
    coded = number if 0 < nonce < 0x80 else bytes([0x80 + size]) + number
    body = b"\x94" + sender + coded
    return Address(keccak(bytes([0xC0 + len(body)]) + body)[12:])


async def next_nonce(rpc: NodeRpc, sender: LocalAccount) -> int:
    """Return the nonce of the account's next transaction."""
    return int(await rpc.call("eth_getTransactionCount", sender.address, "pending"), 16)


def sign(account: LocalAccount, steps: Sequence[SetupStep], nonce: int, chain_id: int) -> list[str]:
    """Sign steps with consecutive nonces; returns what ``eth_sendRawTransaction`` takes."""
    signed = (_fields(step, nonce + at, chain_id) for at, step in enumerate(steps))
    return [account.sign_transaction(each).raw_transaction.to_0x_hex() for each in signed]


async def settle(
    rpc: NodeRpc, steps: Sequence[SetupStep], raw: Sequence[str]
) -> list[dict[str, Any]]:
    """Send signed transactions in one request and have them mined; returns their receipts.

    Raises:
        SetupFailed: One was reverted, or is not mined after ``BLOCKS`` blocks.
        NodeRefused: The node would not take one.
    """
    hashes = await rpc.batch([("eth_sendRawTransaction", (each,)) for each in raw])
    for _ in range(BLOCKS):
        receipts = await rpc.batch([("eth_getTransactionReceipt", (each,)) for each in hashes])
        if all(receipts):
            break
        await rpc.call("evm_mine")
        if int((await rpc.call("txpool_status"))["pending"], 16) == 0:
            await _send_again(rpc, raw, hashes)
    for step, receipt in zip(steps, receipts, strict=True):
        if receipt is None:
            raise SetupFailed(step.what, f"not mined after {BLOCKS} blocks")
        if receipt["status"] != "0x1":
            raise SetupFailed(step.what, f"transaction {receipt['transactionHash']} was reverted")
    return receipts


async def _send_again(rpc: NodeRpc, raw: Sequence[str], hashes: Sequence[str]) -> None:
    """Free transactions that wait for one that is mined already.

    Anvil 1.7 reads the account's nonce and then queues; a block in between leaves the transaction
    waiting for its predecessor for ever, and only emptying the pool lets it be sent again.
    """
    await rpc.call("anvil_dropAllTransactions")
    receipts = await rpc.batch([("eth_getTransactionReceipt", (each,)) for each in hashes])
    left = [at for at, receipt in enumerate(receipts) if receipt is None]
    for at in left:
        try:
            await rpc.call("eth_sendRawTransaction", raw[at])
        except NodeRefused as fault:
            if MINED_MEANWHILE not in str(fault):
                raise


MINED_MEANWHILE: Final = "nonce too low"
"""What Anvil says of a transaction whose receipt was not yet there when we looked."""


def _fields(step: SetupStep, nonce: int, chain_id: int) -> dict[str, Any]:
    to = b"" if step.to is None else to_checksum_address(bytes(step.to))
    return {
        "type": 2,
        "chainId": chain_id,
        "nonce": nonce,
        "to": to,
        "value": 0,
        "data": step.data,
        "gas": GAS,
        "maxFeePerGas": GAS_PRICE,
        "maxPriorityFeePerGas": 0,
    }
